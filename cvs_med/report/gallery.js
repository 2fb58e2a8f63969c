// Filters and sorts the cards; without it, the page shows all of them, the largest errors first.
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const gallery = document.getElementById("gallery");
  const cards = [...gallery.children];
  const said = document.getElementById("shown");
  const fields = ["outcome", "reference", "derived", "sent", "fold"];
  const orders = {
    error: (a, b) => b.dataset.error - a.dataset.error,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name, "en", { numeric: true }),
  };
  const update = () => {
    const wanted = new FormData(form);
    const fits = (card) => fields.every((f) => !wanted.get(f) || wanted.get(f) === card.dataset[f]);
    const first = orders[wanted.get("order")];
    const sorted = first ? [...cards].sort(first) : cards;
    sorted.forEach((card) => { card.hidden = !fits(card); gallery.append(card); });
    said.textContent = `${cards.filter((card) => !card.hidden).length} of ${cards.length} images shown`;
  };
  form.hidden = false;
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  // A browser may have kept the choices of an earlier visit.
  update();
})();
