// Draws each picture as it comes into view, in the colours of the page: light, dark or paper.
(() => {
  "use strict";
  const root = document.documentElement;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const drawn = new Set();

  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  // Copies a figure, which plotly would change, and puts colours in place of var(--name).
  const resolved = (value) => {
    if (typeof value === "string" && value.startsWith("var(")) return colour(value.slice(4, -1));
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolved(inner)]));
  };

  const draw = (figure) => {
    const place = document.getElementById(figure.id);
    const layout = { ...resolved(figure.layout), width: place.clientWidth, height: place.clientHeight };
    Plotly.react(place, figure.data.map(resolved), layout, { displayModeBar: false });
    drawn.add(figure);
  };
  const redraw = () => drawn.forEach(draw);

  const byPlace = new Map(figures.map((figure) => [document.getElementById(figure.id), figure]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      draw(byPlace.get(entry.target));
    }
  }, { rootMargin: "800px" });
  byPlace.forEach((_, place) => watcher.observe(place));

  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(redraw, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => {
    root.dataset.print = "";
    figures.forEach(draw);
  });
  addEventListener("afterprint", () => {
    delete root.dataset.print;
    redraw();
  });
})();
