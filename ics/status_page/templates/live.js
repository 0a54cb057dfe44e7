
"use strict";
(() => {
  const root = document.documentElement, lost = document.getElementById("lost");
  const skew = Date.parse(root.dataset.now) - Date.now();
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  let tag = root.dataset.tag;
  const words = (seconds) => {
    const at = units.findIndex(([size]) => seconds >= size);
    if (at < 0) return "0 s";
    const [size, unit] = units[at], [less, smaller] = units[at + 1] || [0, ""];
    const rest = less ? Math.floor((seconds % size) / less) : 0;
    return `${Math.floor(seconds / size)} ${unit}` + (rest ? ` ${rest} ${smaller}` : "");
  };
  const tick = () => document.querySelectorAll("time[data-live]").forEach((time) => {
    const left = (Date.parse(time.dateTime) - Date.now() - skew) / 1000;
    const text = left >= 0 ? `in ${words(Math.floor(left))}` : `${words(Math.floor(-left))} ago`;
    if (time.textContent !== text) time.textContent = text;
  });
  const load = async () => {
    const asked = location.pathname + (location.search.startsWith("?plan") ? "?plan=keep" : "");
    try {
      const answer = await fetch(asked, { headers: { "If-None-Match": tag }, cache: "no-store" });
      lost.hidden = answer.ok || answer.status === 304;
      if (!answer.ok || document.getSelection().type === "Range") return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      const open = [...document.querySelectorAll("details[open]")].map((one) => one.id);
      tag = next.documentElement.dataset.tag;
      document.title = next.title;
      document.querySelector("main").replaceWith(next.querySelector("main"));
      open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
      tick();
    } catch {
      lost.hidden = false;
    }
  };
  setInterval(tick, 1000);
  setInterval(() => document.hidden || load(), 5000);
  document.addEventListener("visibilitychange", () => document.hidden || load());
})();
