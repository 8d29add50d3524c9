// The page is whole without this: it adds zooming of the time axis and opens what a link points to.
"use strict";
for (const time of document.querySelectorAll(".time")) {
  const end = Number(time.dataset.end);
  const zoom = time.querySelector(".zoom");
  const scroll = time.querySelector(".scroll");
  const axis = time.querySelector(".axis");
  const cursor = time.querySelector(".cursor");
  const output = time.querySelector("output");
  const step = Number(axis.dataset.step);
  let factor = 1;
  const seconds = (ns, digits) => (ns / 1e9).toFixed(digits) + " s";
  const draw = () => {
    zoom.style.width = factor * 100 + "%";
    // Each doubling halves the distance of the ticks, to a decimal number of nanoseconds.
    const wanted = step / factor;
    const ten = 10 ** Math.floor(Math.log10(wanted));
    const distance = ten * [1, 2, 5, 10].find((it) => it * ten >= wanted * 0.999);
    const digits = Math.min(9, Math.max(0, 9 - Math.floor(Math.log10(distance))));
    const ticks = [];
    for (let at = 0; at < end - end / (16 * factor); at += distance) {
      const tick = document.createElement("span");
      tick.style.left = (100 * at) / end + "%";
      tick.textContent = seconds(at, digits);
      ticks.push(tick);
    }
    axis.replaceChildren(...ticks);
  };
  const by = (change) => {
    const middle = (scroll.scrollLeft + scroll.clientWidth / 2) / zoom.clientWidth;
    factor = Math.min(64, Math.max(1, factor * change));
    draw();
    scroll.scrollLeft = middle * zoom.clientWidth - scroll.clientWidth / 2;
  };
  time.querySelector(".in").addEventListener("click", () => by(2));
  time.querySelector(".out").addEventListener("click", () => by(0.5));
  zoom.addEventListener("pointermove", (event) => {
    const place = zoom.getBoundingClientRect();
    const share = (event.clientX - place.left) / place.width;
    cursor.style.display = "block";
    cursor.style.left = 100 * share + "%";
    output.textContent = seconds(share * end, 6);
  });
  zoom.addEventListener("pointerleave", () => {
    cursor.style.display = "none";
    output.textContent = "";
  });
  time.classList.add("live");
}
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const around = target && target.closest("details");
  if (around) {
    around.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", reveal);
reveal();
