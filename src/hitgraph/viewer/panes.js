// Three views on one canvas, each with a camera of its own, and what mouse and keys do to them.

const PANES = ["3D", "x-y", "r-z"];
const REACH = 9;  // pixels from the mouse to a hit
const KEYS = {
  KeyA: [-1, 0, 0], KeyD: [1, 0, 0], KeyQ: [0, -1, 0], KeyE: [0, 1, 0], KeyS: [0, 0, -1],
  KeyW: [0, 0, 1],
};

class Panes {
  constructor(canvas, labels, onMove, onHover) {
    Object.assign(this, {canvas, labels, onMove, onHover, shown: "all", held: new Set()});
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    canvas.addEventListener("pointerup", () => { this.pressed = null; onMove(); });
    canvas.addEventListener("pointerleave", () => onHover(null));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.wheel(event), {passive: false});
    window.addEventListener("keydown", (event) => this.key(event, true));
    window.addEventListener("keyup", (event) => this.key(event, false));
    window.addEventListener("blur", () => this.held.clear());
  }

  // Cameras that see everything within these lengths in mm.
  reset(r, z) {
    this.cameras = [
      new Orbit(Math.max(r, z)), new Plane([0, 0], [1.05 * r, 1.05 * r], true),
      new Plane([0, 0.5 * r], [1.05 * z, 0.55 * r], false)];
  }

  get moving() {
    return this.pressed != null || this.held.size > 0;
  }

  // [{k, x, y, width, height}] in pixels of the page, from the upper left.
  layout() {
    const {clientWidth: width, clientHeight: height} = this.canvas;
    if (this.shown !== "all") return [{k: PANES.indexOf(this.shown), x: 0, y: 0, width, height}];
    if (width < 700) {  // a narrow screen: one above the other
      const third = height / 3;
      return [0, 1, 2].map((k) => ({k, x: 0, y: k * third, width, height: third}));
    }
    const left = Math.round(0.62 * width), half = Math.round(height / 2);
    return [
      {k: 0, x: 0, y: 0, width: left, height},
      {k: 1, x: left, y: 0, width: width - left, height: half},
      {k: 2, x: left, y: half, width: width - left, height: height - half}];
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const pane = this.layout().find(
      (p) => x >= p.x && x < p.x + p.width && y >= p.y && y < p.y + p.height);
    return pane ? {pane, x: x - pane.x, y: y - pane.y} : null;
  }

  press(event) {
    const at = this.at(event);
    this.canvas.focus();
    if (!at) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pressed = {pane: at.pane, x: event.clientX, y: event.clientY};
  }

  drag(event) {
    const {pressed} = this;
    if (!pressed) {
      this.onHover(this.at(event));
      return;
    }
    const dx = event.clientX - pressed.x, dy = event.clientY - pressed.y;
    Object.assign(pressed, {x: event.clientX, y: event.clientY});
    const {k, width, height} = pressed.pane, camera = this.cameras[k];
    if (k === 0 && event.buttons === 1 && !event.shiftKey) camera.turn(dx, dy);
    else camera.move(dx, dy, height, width);
    this.onMove();
  }

  wheel(event) {
    const at = this.at(event);
    event.preventDefault();
    if (!at) return;
    const {k, width, height} = at.pane, camera = this.cameras[k];
    camera.zoom(Math.exp(0.0012 * event.deltaY), k && camera.at(at.x, at.y, width, height));
    this.onMove();
  }

  key(event, down) {
    const way = KEYS[event.code];
    if (!way || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
    if (down) this.held.add(event.code);
    else this.held.delete(event.code);
    this.onMove();
  }

  // One step of flying, `seconds` after the last.
  fly(seconds) {
    const orbit = this.cameras[0], step = 0.8 * orbit.distance * seconds;
    for (const code of this.held) orbit.fly(...scaled(KEYS[code], step));
  }

  // The row of the shown hit nearest to a place in a pane, or -1.
  pick({pane, x, y}, {x: hx, y: hy, z: hz}, isShown) {
    const {k, width, height} = pane, m = this.cameras[k].matrix(width, height);
    let best = -1, least = REACH * REACH, depth = Infinity;
    for (let row = 0; row < hx.length; row++) {
      if (!isShown(row)) continue;
      const p = k === 2 ? hz[row] : hx[row], r = Math.hypot(hx[row], hy[row]);
      const q = k === 2 ? r : hy[row], s = k ? 0 : hz[row];
      const w = m[3] * p + m[7] * q + m[11] * s + m[15];
      if (w <= 0) continue;
      const px = (0.5 + 0.5 * (m[0] * p + m[4] * q + m[8] * s + m[12]) / w) * width - x;
      const py = (0.5 - 0.5 * (m[1] * p + m[5] * q + m[9] * s + m[13]) / w) * height - y;
      const distance = px * px + py * py;
      if (distance < least - 4 || (distance < least + 4 && distance < REACH * REACH && w < depth)) {
        [best, least, depth] = [row, distance, w];
      }
    }
    return best;
  }

  place() {  // names of the panes in their corners
    const shown = this.layout();
    this.labels.forEach((label, k) => {
      const pane = shown.find((one) => one.k === k);
      label.hidden = !pane;
      if (pane) Object.assign(label.style, {left: `${pane.x + 10}px`, top: `${pane.y + 8}px`});
    });
  }
}
