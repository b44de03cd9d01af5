// One alert: why it fired, what it is about, its events as fields, raw text or JSON. Verdicts go by the same
// acknowledged log as the queue's.
const KEYS = {Digit1: "true", Digit2: "benign", Digit3: "false", Digit4: "test"}

export default function (component) {
  const root = component.parentElement
  const s = root.socDetail || (root.socDetail = {log: [], seq: component.data.ack, mode: "table"})
  s.data = component.data; s.set = component.setStateValue; s.go = component.setTriggerValue
  s.seq = Math.max(s.seq, s.data.ack)
  s.log = s.log.filter(e => e.seq > s.data.ack)
  const old = root.querySelector(".soc")
  const focused = old && root.activeElement
  const whole = attr(el("div", "soc", ...build(s, root)), {tabindex: "-1"})
  if (old) old.replaceWith(whole); else root.append(whole)
  s.whole = whole
  whole.onkeydown = event => press(s, event)
  if (focused || !old) whole.focus({preventScroll: true})
}

function press(s, event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return
  const run = KEYS[event.code] ? () => act(s, "verdict", KEYS[event.code]) : {
    a: () => act(s, "assign", ""), z: () => act(s, "undo", ""), t: () => turn(s, {table: "raw", raw: "json", json: "table"}[s.mode]),
    "[": () => jump(s, s.data.previous), "]": () => jump(s, s.data.following)}[event.key]
  if (run) { event.preventDefault(); event.stopPropagation(); run() }
}

function act(s, op, value) {
  if (!s.data.may_judge) return
  s.log.push({seq: ++s.seq, op, value, ids: op === "undo" ? [] : [[s.data.alert.id, s.data.alert.version]]})
  s.set("log", s.log)
}

function jump(s, id) { if (id) s.go("go", {page: "alert", query: {id}}) }

function turn(s, mode) {
  s.mode = mode
  const box = s.whole.querySelector(".events")
  box.replaceWith(events(s))
  for (const tab of s.whole.querySelectorAll("[role=tab]")) attr(tab, {"aria-selected": String(tab.dataset.mode === mode)})
}

function build(s) {
  const w = s.data.words, a = s.data.alert
  const acts = el("div", "acts")
  const button = (key, text, run, on) => { const b = el("button", on ? "on" : "", key ? el("kbd", "", key) : null, text); b.onclick = run; attr(b, {"aria-pressed": on === undefined ? null : String(on)}); acts.append(b) }
  if (s.data.may_judge) {
    for (const [key, name] of [["1", "true"], ["2", "benign"], ["3", "false"], ["4", "test"]]) button(key, w["verdict_" + name], () => act(s, "verdict", name), a.verdict === name)
    button("a", w.mine, () => act(s, "assign", ""), Boolean(a.assignee) && a.assignee === s.data.me)
    button("z", w.undo, () => act(s, "undo", ""))
  }
  if (s.data.previous) button("[", w.previous, () => jump(s, s.data.previous))
  if (s.data.following) button("]", w.following, () => jump(s, s.data.following))
  acts.append(attr(el("span", "says muted" + (s.data.says_bad ? " bad" : ""), s.data.says || ""), {role: "status"}))
  return [
    el("div", "top", level(a.level, w), realm(a.realm, w), el("span", "muted", w.col_risk + " " + a.risk), el("span", "muted", w["status_" + a.status] + (a.verdict ? " · " + w["verdict_" + a.verdict] : "")),
      el("span", "muted mono", a.id)),
    el("h1", "", safe(a.title)), acts, el("div", "cols", why(s), about(s)),
    el("h2", "", w.events.replace("{n}", number(s.data.events_total)), tabs(s)), events(s), history(s),
  ]
}

function why(s) {
  const w = s.data.words, box = el("section", "box", el("h2", "", w.why))
  if (s.data.alert.explanation) box.append(el("p", "", safe(s.data.alert.explanation)))
  if (s.data.conditions.length) {
    const body = el("tbody")
    for (const c of s.data.conditions) body.append(el("tr", "", el("td", "mono", safe(c.field)), el("td", "muted", c.op), el("td", "mono", safe(c.value, c.spans))))
    box.append(el("table", "", el("thead", "", el("tr", "", ...[w.field, w.how, w.value].map(t => attr(el("th", "", t), {scope: "col"})))), body))
  }
  const rule = el("dl")
  rule.append(el("dt", "", w.rule), el("dd", "", safe(s.data.rule.title || null), " ", el("span", "mono muted", safe(s.data.alert.rule_id))))
  if (s.data.rule.description) rule.append(el("dt", "", w.about_rule), el("dd", "", safe(s.data.rule.description)))
  if (s.data.rule.falsepositives.length) rule.append(el("dt", "", w.falsepositives), el("dd", "", safe(s.data.rule.falsepositives.join("; "))))
  const source = [s.data.rule.author, s.data.rule.license].filter(Boolean).join(" · ")
  if (source) rule.append(el("dt", "", w.rule_source), el("dd", "", safe(source)))
  if (s.data.alert.techniques.length) rule.append(el("dt", "", w.techniques), el("dd", "mono", s.data.alert.techniques.join("  ")))
  box.append(rule)
  return box
}

function about(s) {
  const w = s.data.words, a = s.data.alert, facts = el("dl")
  const fact = (name, ...value) => facts.append(el("dt", "", name), el("dd", "", ...value))
  fact(w.col_org, safe(a.organisation_name)); fact(w.col_system, safe(a.system_name))
  fact(w.first, clock(a.first_seen, s.data.zone)); fact(w.last, clock(a.last_seen, s.data.zone) + " · " + age(a.last_seen, s.data.as_of, w)); fact(w.col_count, number(a.count))
  for (const [name, values] of a.entities) fact(name, el("span", "mono", safe(values.join("  "))))
  fact(w.assignee, safe(a.assignee || null))
  return el("section", "box", el("h2", "", w.facts), facts)
}

function history(s) {
  const w = s.data.words
  if (!s.data.history.length) return ""
  const body = el("tbody")
  for (const h of s.data.history) body.append(el("tr", "", el("td", "", clock(h.at, s.data.zone)), el("td", "", safe(h.who)), el("td", "", safe(h.what))))
  return el("section", "box", el("h2", "", w.history), el("table", "", body))
}

function tabs(s) {
  const list = attr(el("span", "tabs"), {role: "tablist"})
  for (const mode of ["table", "raw", "json"]) {
    const tab = attr(el("button", "", s.data.words["tab_" + mode]), {role: "tab", "aria-selected": String(s.mode === mode)})
    tab.dataset.mode = mode; tab.onclick = () => turn(s, mode); list.append(tab)
  }
  return list
}

function events(s) {
  const w = s.data.words, out = el("div", "events")
  if (!s.data.events.length) out.append(el("p", "muted", w.no_events))
  for (const e of s.data.events) {
    const inside = el("div", "in")
    if (s.mode === "raw") inside.append(el("pre", "raw", safe(e.raw, e.spans)))
    else if (s.mode === "json") inside.append(el("pre", "raw", safe(e.json)))
    else {
      const body = el("tbody")
      for (const [name, value, spans] of e.fields) body.append(el("tr", "", el("td", "mono muted", name), el("td", "mono", safe(value, spans))))
      inside.append(el("pre", "raw", safe(e.raw, e.spans)), el("table", "", body))
    }
    const source = attr(el("header", "", el("b", "", clock(e.at, s.data.zone)), el("span", "muted", w.source + " ", safe(e.source)), el("span", "muted", w.received + " " + clock(e.ingested, s.data.zone))), {title: e.id})
    out.append(el("article", "event", source, inside))
  }
  return out
}
