// The last 24 hours as bars from zero: high and above below, others on top. Drawn by us: no chart library to load.
export default function (component) {
  const draw = () => render(component)
  draw()
  const watch = new ResizeObserver(draw)
  watch.observe(component.parentElement.host || component.parentElement)
  return () => watch.disconnect()
}

function render(component) {
  const root = component.parentElement, {data} = component
  const make = (name, names, ...kids) => { const n = document.createElementNS("http://www.w3.org/2000/svg", name); attr(n, names); n.append(...kids); return n }
  const wide = Math.max(300, root.host ? root.host.getBoundingClientRect().width : 900), high = 132, foot = 20, head = 16
  const most = Math.max(1, ...data.hours.map(h => h[1] + h[2])), step = wide / data.hours.length
  const y = n => n / most * (high - foot - head)
  const all = data.hours.map(h => `${clock(h[0], data.zone).slice(-8, -3)} ${h[1] + h[2]}`).join(", ")
  const svg = make("svg", {viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": data.title + ": " + all})
  svg.append(make("line", {class: "base", x1: 0, x2: wide, y1: high - foot, y2: high - foot}))
  const hour = at => clock(at, data.zone).slice(-8, -3)
  data.hours.forEach(([at, some, rest], n) => {
    const x = n * step + 2, w = Math.max(2, step - 4), floor = high - foot
    const bar = make("g", {class: "bar"}, make("title", {}, `${hour(at)}  ${data.names[0]} ${some}  ${data.names[1]} ${rest}`))
    if (some) bar.append(make("rect", {class: "high", x, width: w, y: floor - y(some), height: y(some)}))
    if (rest) bar.append(make("rect", {class: "rest", x, width: w, y: floor - y(some + rest), height: y(rest)}))
    if (some + rest && (some + rest === most || n === data.hours.length - 1)) bar.append(make("text", {class: "top", x: x + w / 2, y: floor - y(some + rest) - 4, "text-anchor": "middle"}, number(some + rest)))
    svg.append(bar)
    if (n % 4 === 3) svg.append(make("text", {x: x + w / 2, y: high - 5, "text-anchor": "middle"}, hour(at)))
  })
  const key = (cls, text) => el("span", "key", attr(el("i", cls, "■ "), {"aria-hidden": "true"}), text)
  const whole = el("section", "soc", el("h2", "", data.title, key("a", data.names[0]), key("b", data.names[1])), svg)
  const old = root.querySelector(".soc")
  if (old) old.replaceWith(whole); else root.append(whole)
}
