// An answer in words, then numbers that open the list they count, or tasks with one button each.
export default function (component) {
  const root = component.parentElement, {data, setTriggerValue} = component
  const lead = (node, go) => {
    attr(node, {href: "/" + go.page + "?" + new URLSearchParams(go.query)})
    node.onclick = event => { if (!event.ctrlKey && !event.metaKey) { event.preventDefault(); setTriggerValue("go", go) } }
    return node
  }
  const tiles = el("div", "tiles")
  for (const t of data.tiles) {
    const node = el(t.go ? "a" : "div", "tile " + (t.tone || ""), el("span", "v", t.shape ? attr(el("i", "", t.shape), {"aria-hidden": "true"}) : null, attr(el("span", "", t.value), {title: t.exact || null})), el("div", "l", t.label), t.sub ? el("div", "s", t.sub) : null)
    tiles.append(t.go ? lead(node, t.go) : node)
  }
  const tasks = el("div", "tasks")
  for (const t of data.tasks) tasks.append(el("div", "task " + (t.tone || ""), el("div", "", realm(t.realm, data.words), t.realm && t.realm !== "real" ? " " : null, safe(t.text), t.sub ? el("div", "s", safe(t.sub)) : null), t.go ? lead(el("a", "", t.button), t.go) : null))
  const whole = el("section", "soc", data.headline ? el(data.main ? "h1" : "h2", "headline " + (data.tone || ""), data.badge ? el("span", "realm drill", data.badge) : null, data.badge ? " " : null, safe(data.headline)) : null, data.note ? el("p", "note", safe(data.note)) : null,
    data.tasks.length ? tasks : null, data.tiles.length ? tiles : null)
  const old = root.querySelector(".soc")
  if (old) old.replaceWith(whole); else root.append(whole)
}
