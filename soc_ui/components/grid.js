// The queue grid: rows keyed by id, cursor, selection, verdicts as an acknowledged log (seq > ack is ours to resend),
// a refresh that never moves what the reader looks at. New rows wait behind a button.
const VERDICTS = {Digit1: "true", Digit2: "benign", Digit3: "false", Digit4: "test",
  Numpad1: "true", Numpad2: "benign", Numpad3: "false", Numpad4: "test"}

export default function (component) {
  const root = component.parentElement
  const grid = root.socGrid || (root.socGrid = create(root, component))
  grid.update(component)
  return () => grid.stop()
}

function create(root, first) {
  const s = {rows: new Map(), order: [], waiting: [], cursor: null, picked: new Set(), log: [], seq: first.data.ack, data: first.data,
    set: first.setStateValue, go: first.setTriggerValue, peeks: new Map(), etag: "", next: first.data.next, judged: new Map(), offset: 0, filter: null}
  const ui = frame(s)
  const old = root.querySelector(".soc")
  if (old) old.remove()
  root.append(ui.whole)
  wire(s, ui)
  let timer = null
  let again = null
  const beat = () => { if (!document.hidden) refresh(s, ui) }
  return {
    update(component) {
      s.data = component.data; s.set = component.setStateValue; s.go = component.setTriggerValue
      settle(s, ui)
      if (s.filter !== s.data.filter) {
        s.filter = s.data.filter; s.etag = ""; s.waiting = []; s.picked.clear(); s.rows.clear(); s.order = []; s.next = s.data.next
        ui.list.replaceChildren()
        take(s, ui, s.data.rows)
        s.offset = s.data.as_of - Date.now() * 1000
        move(s, ui, s.order[0] || null)
      }
      count(s, ui)
      if (!timer) { timer = setInterval(beat, s.data.interval); again = setInterval(() => ages(s), 15000) }
    },
    stop() { clearInterval(timer); clearInterval(again); timer = again = null },
  }
}

function frame(s) {
  const w = s.data.words
  const ui = {total: el("strong"), hidden: el("span", "muted"), fresh: el("button", "fresh"), says: attr(el("span", "says"), {role: "status", "aria-live": "polite"}),
    list: attr(el("div"), {role: "rowgroup"}), help: el("button", "", "?"), keys: el("div", "keys"), panel: el("aside", "panel")}
  ui.fresh.hidden = true; ui.keys.hidden = true
  attr(ui.help, {"aria-label": w.keys, title: w.keys}); attr(ui.panel, {"aria-label": w.detail, tabindex: "0"})
  const head = attr(el("div", "head"), {role: "row"})
  for (const name of ["", "level", "risk", "title", "org", "system", "object", "count", "last"]) {
    head.append(attr(el("span", (name === "count" || name === "risk" ? "num " : "") + (["level", "title", "last"].includes(name) ? "" : "wide"), name ? w["col_" + name] : ""), {role: "columnheader"}))
  }
  ui.empty = el("div", "empty", w.empty); ui.empty.hidden = true
  ui.body = attr(el("div", "body", head, ui.list), {role: "grid", tabindex: "0", "aria-label": w.queue, "aria-multiselectable": "true"})
  for (const [key, text] of s.data.keys) ui.keys.append(el("div", "", el("kbd", "", key), text))
  ui.left = el("div", "left", el("div", "bar", ui.total, ui.hidden, ui.fresh, ui.says, el("span", "space"), ui.help), ui.body, ui.empty)
  ui.whole = el("div", "soc", el("div", "queue", ui.left, ui.panel), ui.keys)
  return ui
}

function wire(s, ui) {
  ui.fresh.onclick = () => { reveal(s, ui); ui.body.focus() }
  ui.help.onclick = () => { ui.keys.hidden = !ui.keys.hidden }
  ui.body.onkeydown = event => press(s, ui, event)
  ui.body.onscroll = () => { if (s.next && ui.body.scrollTop + ui.body.clientHeight > ui.body.scrollHeight - 640) more(s, ui) }
  ui.list.onclick = event => {
    const row = event.target.closest(".row")
    if (row) { move(s, ui, row.dataset.id); if (event.target.closest(".tick")) pick(s, ui, row.dataset.id) }
  }
  ui.list.ondblclick = event => { const row = event.target.closest(".row"); if (row) open(s, row.dataset.id) }
}

function paint(s, row) {
  const w = s.data.words, r = row.data, mine = s.judged.get(r.id)
  const verdict = mine || r.verdict
  row.node.replaceChildren(
    el("span", "tick", s.picked.has(r.id) ? "✓" : "·"), level(r.level, w), el("span", "num wide", String(r.risk)),
    el("span", "title", verdict ? el("span", "verdict", w["verdict_" + verdict]) : null, realm(r.realm, w), r.realm === "real" ? null : " ", safe(r.title)),
    el("span", "wide", safe(r.organisation_name)), el("span", "wide", safe(r.system_name)), el("span", "wide mono", safe(r.object)),
    el("span", "num wide", number(r.count)), el("span", "muted age", age(r.last_seen, Date.now() * 1000 + s.offset, w)))
  for (const cell of row.node.children) cell.setAttribute("role", "gridcell")
  row.node.children[3].title = r.title
  row.node.className = "row" + (s.cursor === r.id ? " cursor" : "") + (verdict || r.status === "closed" ? " judged" : "") + (row.gone ? " gone" : "")
  attr(row.node, {"aria-selected": s.picked.has(r.id) ? "true" : "false"})
}

function take(s, ui, rows) {
  for (const data of rows) {
    if (s.rows.has(data.id)) continue
    const node = attr(el("div", "row"), {role: "row", id: "r-" + data.id}); node.dataset.id = data.id
    const row = {data, node, gone: false}
    s.rows.set(data.id, row); s.order.push(data.id); ui.list.append(node); paint(s, row)
  }
}

function count(s, ui) {
  const w = s.data.words
  ui.total.textContent = w.total.replace("{n}", number(s.total ?? s.data.total) + ((s.atLeast ?? s.data.at_least) ? "+" : ""))
  ui.fresh.hidden = !s.waiting.length
  ui.fresh.textContent = w.fresh.replace("{n}", s.waiting.length)
  ui.empty.hidden = s.order.length > 0
  ui.hidden.textContent = s.data.hidden ? w.hidden.replace("{n}", number(s.data.hidden)) : ""
}

function move(s, ui, id) {
  const before = s.rows.get(s.cursor), after = s.rows.get(id)
  s.cursor = after ? id : null
  if (before) paint(s, before)
  if (after) { paint(s, after); after.node.scrollIntoView({block: "nearest"}); attr(ui.body, {"aria-activedescendant": "r-" + id}) }
  peek(s, ui)
}

function step(s, ui, by) {
  const at = s.order.indexOf(s.cursor)
  const to = s.order[Math.min(s.order.length - 1, Math.max(0, at + by))]
  if (to) move(s, ui, to)
}

function pick(s, ui, id) {
  if (s.picked.has(id)) s.picked.delete(id); else s.picked.add(id)
  paint(s, s.rows.get(id))
  say(ui, s.picked.size ? s.data.words.picked.replace("{n}", s.picked.size) : "")
}

function alike(s, ui) {
  const here = s.rows.get(s.cursor)
  if (!here) return
  for (const [id, row] of s.rows) {
    if (row.data.rule_id === here.data.rule_id && row.data.organisation === here.data.organisation && row.data.object === here.data.object) { s.picked.add(id); paint(s, row) }
  }
  say(ui, s.data.words.picked.replace("{n}", s.picked.size))
}

function press(s, ui, event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return
  const key = event.key === "Process" ? {KeyJ: "j", KeyK: "k", KeyX: "x", KeyG: "g", KeyA: "a", KeyZ: "z"}[event.code] || event.code : event.key
  const verdict = event.shiftKey ? null : VERDICTS[event.code]
  const page = Math.max(1, Math.floor(ui.body.clientHeight / 32) - 2)
  const acts = {j: () => step(s, ui, 1), ArrowDown: () => step(s, ui, 1), k: () => step(s, ui, -1), ArrowUp: () => step(s, ui, -1),
    PageDown: () => step(s, ui, page), PageUp: () => step(s, ui, -page), Home: () => step(s, ui, -1e9), End: () => step(s, ui, 1e9),
    x: () => s.cursor && pick(s, ui, s.cursor), g: () => alike(s, ui), a: () => act(s, ui, "assign", ""), z: () => undo(s, ui),
    Enter: () => s.cursor && open(s, s.cursor), ".": () => reveal(s, ui), "?": () => { ui.keys.hidden = !ui.keys.hidden },
    Escape: () => { ui.keys.hidden = true; for (const id of [...s.picked]) pick(s, ui, id) }}
  const run = verdict ? () => act(s, ui, "verdict", verdict) : acts[key]
  if (!run) return
  event.preventDefault(); event.stopPropagation(); run()
}

function act(s, ui, op, value) {
  if (!s.data.may_judge) return say(ui, s.data.words.may_not, true)
  const ids = s.picked.size ? [...s.picked] : s.cursor ? [s.cursor] : []
  if (!ids.length) return
  if (op === "verdict") for (const id of ids) s.judged.set(id, value)
  s.picked.clear()
  send(s, {op, value, ids: ids.map(id => [id, s.rows.get(id).data.version])})
  for (const id of ids) paint(s, s.rows.get(id))
  say(ui, op === "verdict" ? s.data.words.judged.replace("{n}", ids.length).replace("{verdict}", s.data.words["verdict_" + value]) : s.data.words.taken)
  if (op === "verdict" && ids.includes(s.cursor)) step(s, ui, 1)
}

function undo(s, ui) { send(s, {op: "undo", value: "", ids: []}); say(ui, s.data.words.undone) }

function send(s, entry) {
  s.log = s.log.filter(e => e.seq > s.data.ack)
  s.log.push({...entry, seq: ++s.seq})
  s.set("log", s.log)
}

// What the server says of our log: new versions, or a conflict that puts the row back.
function settle(s, ui) {
  s.log = s.log.filter(e => e.seq > s.data.ack)
  if (s.seq < s.data.ack) s.seq = s.data.ack
  for (const r of s.data.results) {
    const row = s.rows.get(r.id)
    if (!row || r.seq <= (row.settled || 0)) continue
    row.settled = r.seq
    if (r.row) row.data = r.row
    if (!s.log.some(e => e.ids.some(([id]) => id === r.id))) s.judged.delete(r.id)
    s.peeks.delete(r.id)
    paint(s, row)
    if (r.says) say(ui, r.says, true)
    if (r.id === s.cursor) peek(s, ui)
  }
}

async function refresh(s, ui) {
  const query = s.data.live + "&limit=" + Math.min(400, Math.max(50, s.order.length + s.waiting.length))
  let reply
  try {
    reply = await fetch(query, {headers: s.etag ? {"If-None-Match": s.etag} : {}, credentials: "same-origin", redirect: "error"})
  } catch { return say(ui, s.data.words.stale.replace("{at}", clock(s.seen || s.data.as_of, s.data.zone)), true) }
  if (reply.status === 401) { window.location.assign("/login"); return }
  if (!reply.ok && reply.status !== 304) return
  if (ui.says.classList.contains("bad") && s.late) say(ui, "")
  s.late = false; s.seen = Date.now() * 1000 + s.offset
  if (reply.status === 304) return
  const got = await reply.json()
  if (got.filter !== s.filter) return
  s.etag = reply.headers.get("ETag") || ""; s.total = got.total; s.atLeast = got.at_least; s.offset = got.as_of - Date.now() * 1000
  const here = new Set(got.rows.map(r => r.id)), known = new Set(s.waiting.map(r => r.id))
  const last = got.rows.length ? got.rows[got.rows.length - 1] : null
  for (const data of got.rows) {
    const row = s.rows.get(data.id)
    if (!row) { if (!known.has(data.id) && below(s, data)) s.waiting.push(data); continue }
    if (row.data.version !== data.version || row.data.count !== data.count || row.gone) {
      row.data = data; row.gone = false; s.peeks.delete(data.id); paint(s, row)
      if (data.id === s.cursor) peek(s, ui)
    }
  }
  for (const [id, row] of s.rows) {
    const inside = !got.next || (last && order(row.data, last) < 0)
    if (!here.has(id) && inside && !row.gone) { row.gone = true; paint(s, row) }
  }
  if (!s.order.length && s.waiting.length) reveal(s, ui)
  count(s, ui)
}

// A row that sorts after what is loaded is not new: it comes by scrolling.
function below(s, data) {
  if (!s.next || !s.order.length) return true
  return order(data, s.rows.get(s.order[s.order.length - 1]).data) < 0
}

// The queue's own order: risk, then latest, then id, all descending.
function order(a, b) {
  return b.risk - a.risk || b.last_seen - a.last_seen || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0)
}

function reveal(s, ui) {
  if (!s.waiting.length) return
  const fresh = s.waiting; s.waiting = []
  take(s, ui, fresh)
  for (const id of [...s.order]) { const row = s.rows.get(id); if (row.gone) { row.node.remove(); s.rows.delete(id) } }
  s.order = [...s.rows.values()].map(r => r.data).sort(order).map(r => r.id)
  ui.list.append(...s.order.map(id => s.rows.get(id).node))
  count(s, ui)
  if (!s.rows.has(s.cursor)) move(s, ui, s.order[0] || null)
}

async function more(s, ui) {
  const after = s.next
  s.next = ""
  const reply = await fetch(s.data.live + "&limit=50&after=" + encodeURIComponent(after), {credentials: "same-origin", redirect: "error"})
  if (!reply.ok) { s.next = after; return }
  const got = await reply.json()
  s.next = got.next
  take(s, ui, got.rows); count(s, ui)
}

async function peek(s, ui) {
  const id = s.cursor, w = s.data.words
  if (!id) return ui.panel.replaceChildren(el("p", "muted", w.choose))
  if (!s.peeks.has(id)) {
    await new Promise(done => setTimeout(done, 60))  // a run of key presses asks for the last row only
    if (s.cursor !== id) return
    const reply = await fetch(s.data.peek + encodeURIComponent(id), {credentials: "same-origin", redirect: "error"})
    if (!reply.ok) return
    s.peeks.set(id, await reply.json())
    if (s.peeks.size > 200) s.peeks.delete(s.peeks.keys().next().value)
  }
  if (s.cursor === id) ui.panel.replaceChildren(...describe(s, ui, s.peeks.get(id)))
}

function describe(s, ui, p) {
  const w = s.data.words, facts = el("dl")
  const fact = (name, value) => { if (value) facts.append(el("dt", "", name), el("dd", "", value instanceof Node ? value : safe(value))) }
  fact(w.col_org, p.organisation_name); fact(w.col_system, p.system_name)
  fact(w.seen, `${clock(p.first_seen, s.data.zone)} → ${clock(p.last_seen, s.data.zone)}`)
  fact(w.col_count, number(p.count)); fact(w.rule, el("span", "mono", safe(p.rule_id)))
  fact(w.techniques, p.techniques.join(" ")); fact(w.assignee, p.assignee)
  for (const [name, values] of p.entities) fact(name, el("span", "mono", safe(values.join("  "))))
  const acts = el("div", "acts")
  const button = (key, text, run) => { const b = el("button", "", el("kbd", "", key), text); b.onclick = () => { run(); ui.body.focus() }; acts.append(b) }
  button("Enter", w.open, () => open(s, p.id))
  if (s.data.may_judge) {
    for (const [key, name] of [["1", "true"], ["2", "benign"], ["3", "false"], ["4", "test"]]) button(key, w["verdict_" + name], () => act(s, ui, "verdict", name))
    button("a", w.mine, () => act(s, ui, "assign", "")); button("z", w.undo, () => undo(s, ui))
  }
  const out = [el("div", "", level(p.level, w), " ", realm(p.realm, w), el("span", "muted", "  " + w.col_risk + " " + p.risk)), el("h2", "", safe(p.title)), acts]
  if (p.explanation) out.push(el("h3", "", w.why), el("div", "", safe(p.explanation)))
  out.push(el("h3", "", w.facts), facts)
  if (p.event) out.push(el("h3", "", w.raw), el("pre", "raw", safe(p.event.raw, p.event.spans)))
  return out
}

function ages(s) { for (const row of s.rows.values()) { const cell = row.node.querySelector(".age"); if (cell) cell.textContent = age(row.data.last_seen, Date.now() * 1000 + s.offset, s.data.words) } }
function say(ui, text, bad) { ui.says.textContent = text; ui.says.classList.toggle("bad", Boolean(bad)) }
function open(s, id) { s.go("go", {page: "alert", query: {id}}) }
