// Helpers in front of every component. Data becomes text nodes here, never markup: nothing in this folder
// assigns innerHTML. Control and bidirectional characters are shown as marks, so that no line can lie about itself.
const NAMED = {0: "NUL", 7: "BEL", 8: "BS", 13: "CR", 27: "ESC", 127: "DEL", 0x200b: "ZWSP", 0x200c: "ZWNJ", 0x200d: "ZWJ",
  0x200e: "LRM", 0x200f: "RLM", 0x202a: "LRE", 0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO", 0x202e: "RLO",
  0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI", 0xfeff: "BOM"}
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g

function el(tag, cls, ...kids) {
  const node = document.createElement(tag)
  if (cls) node.className = cls
  for (const kid of kids) if (kid !== null && kid !== undefined) node.append(kid)
  return node
}

function attr(node, names) {
  for (const [name, value] of Object.entries(names)) {
    if (value === null || value === undefined || value === false) node.removeAttribute(name)
    else node.setAttribute(name, value === true ? "" : String(value))
  }
  return node
}

function visible(text) {
  const out = document.createDocumentFragment()
  let from = 0
  for (const hit of text.matchAll(UNSEEN)) {
    out.append(text.slice(from, hit.index))
    const code = hit[0].codePointAt(0)
    out.append(el("span", "unseen", "⟨" + (NAMED[code] || "U+" + code.toString(16).toUpperCase().padStart(4, "0")) + "⟩"))
    from = hit.index + hit[0].length
  }
  out.append(text.slice(from))
  return out
}

// Spans are [start, end) in code points, as Python counts them; they may overlap and come in any order.
function safe(value, spans) {
  const text = value === null || value === undefined ? "—" : String(value)
  if (!spans || !spans.length) return visible(text)
  const points = Array.from(text)
  const out = document.createDocumentFragment()
  let at = 0
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    if (end <= at) continue
    const from = Math.max(start, at)
    out.append(visible(points.slice(at, from).join("")))
    out.append(el("mark", "", visible(points.slice(from, end).join(""))))
    at = end
  }
  out.append(visible(points.slice(at).join("")))
  return out
}

function clock(micros, zone) {
  if (!micros) return "—"
  const at = new Date(micros / 1000)
  const parts = Object.fromEntries(new Intl.DateTimeFormat("en-GB", {timeZone: zone, hourCycle: "h23", year: "numeric",
    month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit"})
    .formatToParts(at).map(p => [p.type, p.value]))
  const year = new Date().getFullYear() === Number(parts.year) ? "" : parts.year + "-"
  return `${year}${parts.month}-${parts.day} ${parts.hour}:${parts.minute}:${parts.second}`
}

function age(micros, now, words) {
  if (!micros) return "—"
  const seconds = Math.max(0, Math.floor((now - micros) / 1e6))
  const [n, unit] = seconds < 60 ? [seconds, "s"] : seconds < 3600 ? [Math.floor(seconds / 60), "m"]
    : seconds < 172800 ? [Math.floor(seconds / 3600), "h"] : [Math.floor(seconds / 86400), "d"]
  return words["ago_" + unit].replace("{n}", n)
}

const number = n => n === null || n === undefined ? "—" : Number(n).toLocaleString("en-US")

function level(name, words) {
  const shapes = {critical: "▲", high: "■", medium: "◆", low: "●", informational: "▬"}
  return el("span", "level " + name, el("i", "", attr(el("b", "", shapes[name] || "▬"), {"aria-hidden": "true"})), words["level_" + name] || name)
}

function realm(name, words) {
  if (!name || name === "real") return null
  return el("span", "realm " + (name === "demo" ? "demo" : "drill"), name === "demo" ? words.demo : words.drill)
}
