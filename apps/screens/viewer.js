// Photograph, layers and drawing of one case. Everything is in pixels of the photograph; `view` maps them to the screen.
const viewers = new WeakMap();
// What the reader chose stays chosen from case to case.
const kept = { blended: false, opacity: 0.8, shown: {}, tool: "brush", erase: false, radius: 12 };

// Settled when the pictures of the open case are painted: those of the next one do not compete with them.
let painted = Promise.resolve();

export default function (component) {
  const { parentElement, data, setStateValue } = component;
  if (data.mode === "ahead") return void painted.then(() => prepare(data));
  let viewer = viewers.get(parentElement);
  if (!viewer) viewers.set(parentElement, (viewer = new Viewer(parentElement, data.mode)));
  viewer.send = (strokes) => setStateValue("drawn", { id: data.id, strokes });
  painted = viewer.show(data).catch(reportError); // a picture that cannot be loaded is an error of the page
}

const element = (tag, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
};

// Pictures by address, decoded: those of the next case are asked for while this one is looked at.
const pictures = new Map();

function loaded(source) {
  if (!pictures.has(source)) {
    const image = new Image();
    image.src = source;
    pictures.set(source, image.decode().then(() => image));
    pictures.get(source).catch(() => pictures.delete(source));
    if (pictures.size > 40) pictures.delete(pictures.keys().next().value);
  }
  return pictures.get(source);
}

// A photograph of millions of pixels, made small once, is drawn in a fraction of the time; zoomed in it is drawn whole.
const SMALL = 1536;
const reduced = new Map();

function overview(source) {
  if (!reduced.has(source)) {
    const small = loaded(source).then((image) => image.naturalWidth <= SMALL ? image
      : createImageBitmap(image, { resizeWidth: SMALL, resizeQuality: "medium" }));
    reduced.set(source, small);
    small.catch(() => reduced.delete(source));
    if (reduced.size > 6) reduced.delete(reduced.keys().next().value);
  }
  return reduced.get(source);
}

function prepare({ source, layers }) {
  overview(source).catch(() => {});
  for (const layer of layers) loaded(layer).catch(() => {});
}

class Viewer {
  constructor(root, mode) {
    this.drawing = mode === "draw";
    this.view = { scale: 1, x: 0, y: 0 };
    this.strokes = [];
    this.layers = [];
    this.bar = element("div", { className: "bar" });
    this.legend = element("div", { className: "legend" });
    this.panes = element("div", { className: "panes" });
    root.append(element("div", { className: "viewer" }, this.bar, this.legend, this.panes));
    new ResizeObserver(() => this.resized()).observe(this.panes);
  }

  async show(data) {
    if (this.data && this.data.id === data.id) return;
    const first = !this.data;
    this.data = data;
    this.points = null;
    for (const id of data.forget || []) sessionStorage.removeItem(`cvs-med ${id}`);
    const photograph = Promise.all([loaded(data.source), overview(data.source)]);
    const layers = (data.layers || []).map(async (layer) => ({ ...layer, image: await loaded(layer.png) }));
    const [[image, small], mask, ...rest] = await Promise.all([photograph, data.mask ? loaded(data.mask) : null, ...layers]);
    if (this.data.id !== data.id) return; // another case was opened meanwhile
    this.image = image;
    this.small = small;
    this.layers = rest;
    for (const layer of rest) kept.shown[layer.key] ??= layer.shown;
    if (this.drawing) this.startDrawing(mask);
    this.buildBar();
    this.buildPanes();
    if (first || !this.sized) this.resized();
    this.fit();
    this.panes.dataset.shown = data.id;
  }

  // --- what is around the pictures -------------------------------------------------------------------------------

  button(text, title, action, pressed) {
    const made = element("button", { type: "button", textContent: text, title, onclick: action });
    made.setAttribute("aria-label", title);
    if (pressed !== undefined) made.setAttribute("aria-pressed", String(pressed));
    return made;
  }

  // A click would leave the keyboard with the input, where Streamlit does not look for shortcuts.
  giveKeysBack(input) {
    input.addEventListener("pointerup", () => setTimeout(() => input.blur()));
    input.addEventListener("click", (event) => event.detail && input.blur());
  }

  slider(text, range, value, change) {
    const [min, max, step] = range;
    const input = element("input", { type: "range", min, max, step, value });
    input.oninput = () => { change(Number(input.value)); this.paint(); };
    this.giveKeysBack(input);
    return element("label", {}, text, input);
  }

  buildBar() {
    const group = (...parts) => element("div", { className: "group" }, ...parts);
    const redo = (change) => () => { change(); this.buildBar(); this.buildPanes(); this.resized(); };
    const parts = this.drawing ? this.drawBar(group, redo) : this.lookBar(group, redo);
    this.zoomText = element("span", { className: "zoom", title: "100 % is one pixel of the photograph on one of the screen" });
    this.bar.replaceChildren(...parts, group(
      this.button("−", "Zoom out", () => this.zoomBy(1 / 1.4)), this.button("+", "Zoom in", () => this.zoomBy(1.4)),
      this.button("Fit", "Show the whole photograph", () => this.fit()),
      this.button("1:1", "Native resolution", () => this.zoomBy(this.pixels() / this.view.scale)), this.zoomText));
    this.buildLegend();
  }

  lookBar(group, redo) {
    const boxes = this.layers.map((layer) => {
      const box = element("input", { type: "checkbox", checked: kept.shown[layer.key] });
      box.onchange = () => { kept.shown[layer.key] = box.checked; this.buildLegend(); this.paint(); };
      this.giveKeysBack(box);
      return element("label", {}, box, layer.title);
    });
    return [
      group(this.button("Side by side", "Photograph beside the layers", redo(() => { kept.blended = false; }), !kept.blended),
        this.button("Blended", "Layers over the photograph alone", redo(() => { kept.blended = true; }), kept.blended)),
      group(...boxes), this.slider("Opacity", [0, 1, 0.05], kept.opacity, (value) => { kept.opacity = value; }),
    ];
  }

  drawBar(group, redo) {
    const tool = (text, title, name, erase) =>
      this.button(text, title, redo(() => { kept.tool = name; kept.erase = erase; this.points = null; }),
        kept.tool === name && (name === "move" || kept.erase === erase));
    this.undoButton = this.button("Undo", "Take the last stroke back", () => this.undo());
    return [
      group(tool("Brush +", "Brush: add to the mask", "brush", false), tool("Brush −", "Brush: erase from the mask", "brush", true),
        tool("Polygon +", "Polygon: add to the mask", "polygon", false), tool("Polygon −", "Polygon: erase from the mask", "polygon", true),
        tool("Move", "Move the photograph", "move", false)),
      this.slider("Brush size", [1, 60, 1], kept.radius, (value) => { kept.radius = value; }),
      group(this.undoButton), this.slider("Mask", [0, 1, 0.05], kept.opacity, (value) => { kept.opacity = value; }),
    ];
  }

  buildLegend() {
    const entries = this.drawing ? [] : this.layers.filter((layer) => kept.shown[layer.key]).flatMap((layer) => layer.legend);
    this.legend.replaceChildren(...entries.map(([colour, text]) => {
      const swatch = element("i", { className: "swatch" });
      swatch.style.background = colour;
      return element("span", {}, swatch, text);
    }));
    if (this.drawing) this.legend.append("Wheel: zoom. Move tool or right button: pan. Polygon: click corners, double-click or Enter closes it, Esc drops it.");
  }

  buildPanes() {
    const two = !this.drawing && !kept.blended && this.layers.length > 0;
    const titles = this.drawing ? [""] : two ? ["Photograph", "With layers"] : [""];
    this.panes.classList.toggle("two", two);
    if (this.canvases?.length === titles.length) return;
    this.canvases = titles.map((title, number) => {
      const canvas = element("canvas", { tabIndex: 0 });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", this.drawing ? "Mask to be corrected" : title || "Photograph with layers");
      canvas.dataset.layers = String(!two || number === 1);
      this.listen(canvas);
      return canvas;
    });
    this.panes.replaceChildren(...this.canvases.map((canvas, number) =>
      element("figure", {}, canvas, ...(titles[number] ? [element("figcaption", { textContent: titles[number] })] : []))));
  }

  // --- where the photograph lies ---------------------------------------------------------------------------------

  resized() {
    if (!this.canvases) return;
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvases[0].clientWidth;
    if (!width) return;
    const focus = this.data.focus;
    const height = Math.max(260, Math.min(this.drawing ? 720 : 620, width * focus.height / focus.width));
    const size = [Math.round(width * ratio), Math.round(height * ratio)].join();
    if (size === this.sized && this.canvases.every((canvas) => `${canvas.width},${canvas.height}` === size)) return;
    this.sized = size;
    for (const canvas of this.canvases) {
      canvas.style.height = `${height}px`;
      [canvas.width, canvas.height] = size.split(",").map(Number);
    }
    this.fit();
  }

  pixels() { return 1; } // canvas pixels are pixels of the screen, so that a scale of one is native resolution

  fit() {
    if (!this.image || !this.canvases) return;
    const { left, top, width, height } = this.data.focus;
    const canvas = this.canvases[0];
    const scale = Math.min(canvas.width / width, canvas.height / height);
    this.view = { scale, x: canvas.width / 2 - scale * (left + width / 2), y: canvas.height / 2 - scale * (top + height / 2) };
    this.paint();
  }

  zoomBy(factor, x = this.canvases[0].width / 2, y = this.canvases[0].height / 2) {
    const scale = Math.min(16, Math.max(0.05, this.view.scale * factor));
    const change = scale / this.view.scale;
    this.view = { scale, x: x - change * (x - this.view.x), y: y - change * (y - this.view.y) };
    this.paint();
  }

  place(event, canvas) {
    const box = canvas.getBoundingClientRect();
    const x = (event.clientX - box.left) * canvas.width / box.width;
    const y = (event.clientY - box.top) * canvas.height / box.height;
    return { x, y, point: [(x - this.view.x) / this.view.scale, (y - this.view.y) / this.view.scale] };
  }

  // --- mouse, pen and keyboard -----------------------------------------------------------------------------------

  listen(canvas) {
    let last = null;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = this.place(event, canvas);
      this.zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, x, y);
    }, { passive: false });
    canvas.oncontextmenu = (event) => event.preventDefault();
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      last = this.place(event, canvas);
      if (this.drawing && event.button === 0 && kept.tool !== "move") this.press(last.point);
    };
    canvas.onpointermove = (event) => {
      const here = this.place(event, canvas);
      this.cursor = here.point;
      if (this.points && kept.tool === "brush") this.points.push(here.point);
      else if (last && !this.points) {
        this.view.x += here.x - last.x;
        this.view.y += here.y - last.y;
        last = here;
      }
      if (last || this.drawing) this.paint();
    };
    canvas.onpointerup = canvas.onpointercancel = () => {
      last = null;
      if (this.points && kept.tool === "brush") this.finish();
    };
    canvas.ondblclick = () => this.points && kept.tool === "polygon" && this.finish();
    canvas.onkeydown = (event) => this.key(event);
  }

  key(event) {
    const step = 60;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (moves[event.key]) { this.view.x += moves[event.key][0]; this.view.y += moves[event.key][1]; this.paint(); }
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.4);
    else if (event.key === "-") this.zoomBy(1 / 1.4);
    else if (event.key === "0") this.fit();
    else if (this.drawing && event.key === "Enter" && this.points) this.finish();
    else if (this.drawing && event.key === "Escape") { this.points = null; this.paint(); }
    else if (this.drawing && event.key === "z" && (event.ctrlKey || event.metaKey)) this.undo();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // --- drawing -----------------------------------------------------------------------------------------------------

  startDrawing(mask) {
    this.base = mask;
    this.canvas = element("canvas", { width: this.data.width, height: this.data.height });
    const stored = sessionStorage.getItem(`cvs-med ${this.data.id}`);
    this.strokes = stored ? JSON.parse(stored) : [];
    this.redraw();
    if (this.strokes.length) this.send(this.strokes);
  }

  press(point) {
    if (kept.tool === "brush") this.points = [point];
    else (this.points ??= []).push(point);
    this.paint();
  }

  finish() {
    const rounded = this.points.map(([x, y]) => [Math.round(x * 10) / 10, Math.round(y * 10) / 10]);
    const stroke = { tool: kept.tool, erase: kept.erase, radius: kept.radius, points: rounded };
    this.points = null;
    if (kept.tool === "polygon" && rounded.length < 3) return this.paint();
    this.strokes.push(stroke);
    this.stamp(this.canvas.getContext("2d"), stroke);
    this.changed();
  }

  undo() {
    if (this.points) this.points = null;
    else if (this.strokes.pop()) this.redraw();
    this.changed();
  }

  changed() {
    sessionStorage.setItem(`cvs-med ${this.data.id}`, JSON.stringify(this.strokes));
    this.send(this.strokes);
    this.paint();
  }

  redraw() {
    const pen = this.canvas.getContext("2d");
    pen.globalCompositeOperation = "source-over";
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (this.base) pen.drawImage(this.base, 0, 0);
    for (const stroke of this.strokes) this.stamp(pen, stroke);
  }

  stamp(pen, { tool, erase, radius, points }) {
    pen.globalCompositeOperation = erase ? "destination-out" : "source-over";
    pen.fillStyle = pen.strokeStyle = this.data.colour;
    pen.lineWidth = 2 * radius;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (const point of points.slice(1)) pen.lineTo(...point);
    if (tool === "polygon") pen.fill();
    else if (points.length > 1) pen.stroke();
    else { pen.arc(...points[0], radius, 0, 2 * Math.PI); pen.fill(); }
  }

  // --- painting ------------------------------------------------------------------------------------------------------

  paint() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = null;
      if (!this.image) return;
      for (const canvas of this.canvases) this.paintOne(canvas);
      if (this.zoomText) this.zoomText.textContent = `${Math.round(100 * this.view.scale)} %`;
      if (this.undoButton) this.undoButton.disabled = !this.strokes.length && !this.points;
    });
  }

  paintOne(canvas) {
    const pen = canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    canvas.classList.toggle("drawing", this.drawing && kept.tool !== "move");
    pen.setTransform(this.view.scale, 0, 0, this.view.scale, this.view.x, this.view.y);
    pen.imageSmoothingEnabled = this.view.scale < 2;
    const photograph = this.view.scale * this.data.width > this.small.width ? this.image : this.small;
    pen.drawImage(photograph, 0, 0, this.data.width, this.data.height);
    pen.globalAlpha = kept.opacity;
    if (this.drawing) this.paintDrawing(pen);
    else if (canvas.dataset.layers === "true") {
      for (const layer of this.layers) {
        if (!kept.shown[layer.key]) continue;
        pen.imageSmoothingEnabled = this.view.scale < layer.width / layer.image.width / 4;
        pen.drawImage(layer.image, layer.left, layer.top, layer.width, layer.height);
      }
    }
    pen.globalAlpha = 1;
  }

  paintDrawing(pen) {
    pen.drawImage(this.canvas, 0, 0);
    if (this.points) this.paintPending(pen);
    if (kept.tool !== "brush" || !this.cursor) return;
    pen.globalAlpha = 1;
    pen.strokeStyle = "#fff";
    pen.lineWidth = 1.5 / this.view.scale;
    pen.beginPath();
    pen.arc(...this.cursor, kept.radius, 0, 2 * Math.PI);
    pen.stroke();
  }

  paintPending(pen) {
    pen.strokeStyle = kept.erase ? "#d55e00" : this.data.colour;
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = kept.tool === "brush" ? 2 * kept.radius : 2 / this.view.scale;
    pen.beginPath();
    pen.moveTo(...this.points[0]);
    for (const point of this.points) pen.lineTo(...point);
    if (kept.tool === "polygon" && this.cursor) pen.lineTo(...this.cursor);
    pen.stroke();
  }
}
