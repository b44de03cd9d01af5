// The top strip: where one is, what is not real, the server's clock, language, help, who is signed in, the way out.
export default function (component) {
  const root = component.parentElement, {data} = component, w = data.words
  const offset = data.as_of - Date.now() * 1000
  document.documentElement.lang = data.lang
  const when = el("span", "when muted mono")
  const tick = () => { when.textContent = clock(Date.now() * 1000 + offset, data.zone) }
  const help = el("div", "help", data.help); help.hidden = true
  const ask = attr(el("button", "", "?"), {"aria-label": w.help, title: w.help, "aria-expanded": "false"})
  ask.onclick = () => { help.hidden = !help.hidden; attr(ask, {"aria-expanded": String(!help.hidden)}) }
  const out = el("button", "", w.logout)
  out.onclick = async () => {
    await fetch("/logout", {method: "POST", credentials: "same-origin", headers: {"X-CSRF-Token": data.csrf}})
    window.location.assign("/login")
  }
  const strip = el("div", "strip", el("span", "where", data.title), data.drill ? el("span", "note drill", data.drill) : null, data.demo ? el("span", "note", data.demo) : null,
    el("span", "space"), when, el("span", "links", attr(el("a", "", data.other), {href: data.other_url, lang: data.other_lang}), ask, el("span", "muted", safe(data.user)), out))
  const whole = el("header", "soc", strip, help)
  const old = root.querySelector(".soc")
  if (old) old.replaceWith(whole); else root.append(whole)
  tick()
  const timer = setInterval(tick, 1000)
  return () => clearInterval(timer)
}
