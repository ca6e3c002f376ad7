// Where a pane looks from: matrices of WebGL, column after column.

const NEAR = 1, FAR = 1e5, FIELD_OF_VIEW = 0.8;  // mm, mm, rad

function product(a, b) {
  const c = new Float32Array(16);
  for (let column = 0; column < 4; column++) {
    for (let row = 0; row < 4; row++) {
      for (let k = 0; k < 4; k++) c[4 * column + row] += a[4 * k + row] * b[4 * column + k];
    }
  }
  return c;
}

const minus = (a, b) => a.map((value, k) => value - b[k]);
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const scaled = (a, factor) => a.map((value) => value * factor);
const unit = (a) => scaled(a, 1 / Math.hypot(...a));

// Turns around a target, or flies; y is up.
class Orbit {
  constructor(size) {
    Object.assign(this, {yaw: 0.9, pitch: 0.35, distance: 1.5 * size, target: [0, 0, 0], size});
  }

  axes() {  // right, up, towards the eye
    const {yaw, pitch} = this;
    const back = [
      Math.cos(pitch) * Math.sin(yaw), Math.sin(pitch), Math.cos(pitch) * Math.cos(yaw)];
    const right = unit(cross([0, 1, 0], back));
    return [right, cross(back, right), back];
  }

  matrix(width, height) {
    const [right, up, back] = this.axes();
    const eye = this.target.map((value, k) => value + this.distance * back[k]);
    const view = [];
    for (let k = 0; k < 3; k++) view.push(right[k], up[k], back[k], 0);
    view.push(-dot(right, eye), -dot(up, eye), -dot(back, eye), 1);
    const f = 1 / Math.tan(FIELD_OF_VIEW / 2);
    const lens = [
      f * height / width, 0, 0, 0, 0, f, 0, 0, 0, 0, (FAR + NEAR) / (NEAR - FAR), -1,
      0, 0, 2 * FAR * NEAR / (NEAR - FAR), 0];
    return product(lens, view);
  }

  turn(dx, dy) {
    this.yaw -= 0.005 * dx;
    this.pitch = Math.max(-1.55, Math.min(1.55, this.pitch + 0.005 * dy));
  }

  move(dx, dy, height) {
    const step = 2 * this.distance * Math.tan(FIELD_OF_VIEW / 2) / height;
    this.fly(-dx * step, dy * step, 0);
  }

  fly(right, up, ahead) {  // mm
    const axes = this.axes();
    this.target = this.target.map(
      (value, k) => value + right * axes[0][k] + up * axes[1][k] - ahead * axes[2][k]);
  }

  zoom(factor) {
    this.distance = Math.max(2, Math.min(10 * this.size, this.distance * factor));
  }
}

// A plane seen from above; `round` where both directions have one scale.
class Plane {
  constructor(centre, half, round) {
    Object.assign(this, {centre, half, round});
  }

  halves(width, height) {
    if (!this.round) return this.half;
    const scale = Math.max(this.half[0] / width, this.half[1] / height);
    return [scale * width, scale * height];
  }

  matrix(width, height) {
    const [x, y] = this.halves(width, height);
    return new Float32Array([
      1 / x, 0, 0, 0, 0, 1 / y, 0, 0, 0, 0, -1, 0, -this.centre[0] / x, -this.centre[1] / y, 0, 1]);
  }

  at(x, y, width, height) {  // mm, of a pixel of the pane
    const halves = this.halves(width, height);
    return [
      this.centre[0] + halves[0] * (2 * x / width - 1),
      this.centre[1] + halves[1] * (1 - 2 * y / height)];
  }

  move(dx, dy, height, width) {
    const halves = this.halves(width, height);
    this.centre = [
      this.centre[0] - 2 * halves[0] * dx / width, this.centre[1] + 2 * halves[1] * dy / height];
  }

  zoom(factor, place) {  // what is at the place stays there
    this.half = scaled(this.half, factor);
    this.centre = this.centre.map((value, k) => place[k] + factor * (value - place[k]));
  }
}
