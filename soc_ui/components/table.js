// A plain table to read: cells are text nodes, a row may lead somewhere, and on a narrow screen rows become cards.
const SHAPES = {ok: "●", bad: "▲", warn: "◆", quiet: "○", drilled: "■"}

export default function (component) {
  const root = component.parentElement, {data, setTriggerValue} = component, w = data.words
  const head = el("tr")
  for (const c of data.columns) head.append(attr(el("th", c.kind === "num" ? "num" : "", c.label), {scope: "col"}))
  const body = el("tbody")
  for (const row of data.rows) {
    const tr = el("tr", row.go ? "go" : "")
    data.columns.forEach((c, at) => {
      const td = attr(el("td", [c.kind === "num" ? "num" : "", c.kind === "mono" ? "mono" : "", c.kind === "text" ? "wrapped" : "", at ? "" : "first"].join(" "), cell(c, row.cells[at], data)), {"data-label": c.label})
      if (typeof row.cells[at] === "string") td.title = row.cells[at]
      tr.append(td)
    })
    if (row.go) {
      const run = event => { event.preventDefault(); setTriggerValue("go", row.go) }
      tr.onclick = run
      const first = tr.firstChild
      const link = attr(el("a", "", ...first.childNodes), {href: "/" + row.go.page + "?" + new URLSearchParams(row.go.query)})
      link.onclick = event => { if (!event.ctrlKey && !event.metaKey) { run(event); event.stopPropagation() } }
      first.append(link)
    }
    body.append(tr)
  }
  const inside = data.rows.length ? el("table", "", el("thead", "", head), body) : el("div", "empty", data.empty)
  const whole = el("section", "soc", data.title ? el("h2", "", data.title) : null, data.note ? el("p", "note", data.note) : null, el("div", "wrap", inside))
  const old = root.querySelector(".soc")
  if (old) { const at = old.querySelector(".wrap").scrollTop; old.replaceWith(whole); whole.querySelector(".wrap").scrollTop = at } else root.append(whole)
}

function cell(column, value, data) {
  const w = data.words
  if (value === null || value === undefined) return "—"
  if (column.kind === "num") return number(value)
  if (column.kind === "time") return clock(value, data.zone)
  if (column.kind === "age") return value ? attr(el("span", "", age(value, data.as_of, w)), {title: clock(value, data.zone)}) : "—"
  if (column.kind === "level") return level(value, w)
  if (column.kind === "realm") return realm(value, w) || w.real
  if (column.kind === "state") return el("span", "state " + value.tone, attr(el("i", "", SHAPES[value.tone]), {"aria-hidden": "true"}), value.text)
  if (column.kind === "share") return el("span", "", attr(el("span", "bar", attr(el("i"), {style: `width:${Math.round(value.part * 100)}%`})), {"aria-hidden": "true"}), value.text)
  return safe(value)
}
