// The page: its controls, what they change, and the drawing of a frame.

const find = (id) => document.getElementById(id);
const given = JSON.parse(find("data").textContent);
const asked = new URLSearchParams(location.hash.slice(1));  // a view to begin with: #pt=1&pane=x-y
const COLOURS = Object.fromEntries(Object.entries(given.colours).map(([name, text]) =>
  [name, [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16) / 255)]));
const {blue, orange, purple, grey, vermilion, sky, white} = COLOURS;
const BY_KIND = [blue, orange, purple, grey, blue, vermilion, grey, grey];
const GREYS = Array(8).fill(grey);
const BY_TRUTH = [vermilion, sky, sky, grey, grey, grey, grey, grey];
const MANY = 250;  // tracks or particles, above which a page begins with a cut on pT
const THIN = ["edges", "barrel", "endcaps"], NOTHING = new Float32Array(0);
const SLOW = 50;  // ms a frame, from which less is drawn while the view moves
const FEW = 20000, LEAST = 2000;  // hits and segments of the first frame of a movement, and of any
const REST = 150;  // ms without a movement, after which all is drawn again
const number = (value) => Math.round(value).toLocaleString("en");

class Page {
  constructor() {
    this.painter = new Painter(find("canvas"));
    this.layers = {};
    this.detail = {};  // what is drawn while the view moves: the share of hits and tracks, the rest
    this.until = 0;  // ms, when the view has come to rest
    this.panes = new Panes(
      find("canvas"), PANES.map((name) => find(`label-${name}`)), () => this.move(),
      (at) => this.hover(at));
    this.connect();
    new ResizeObserver(() => this.redraw()).observe(find("canvas"));
  }

  connect() {
    fill(find("event"), given.events.map((event) => event.name), asked.get("event"));
    find("event").onchange = () => this.open();
    for (const id of ["tracks", "stage"]) find(id).onchange = () => this.build();
    for (const id of ["pt", "score"]) find(id).oninput = () => this.update();
    for (const box of document.querySelectorAll("input[type=checkbox]")) {
      box.onchange = () => this.update();
    }
    for (const button of document.querySelectorAll("button[data-pane]")) {
      button.onclick = () => this.show(button.dataset.pane);
    }
    find("reset").onclick = () => this.reset();
  }

  reset() {
    this.panes.reset(...this.size);
    this.rest();
  }

  show(pane) {
    this.panes.shown = pane;
    for (const button of document.querySelectorAll("button[data-pane]")) {
      button.setAttribute("aria-pressed", button.dataset.pane === pane);
    }
    this.redraw();
  }

  async open() {
    const k = find("event").selectedIndex, event = given.events[k];
    this.event = await readEvent(event);
    const {x, y, z} = this.event.hits;
    this.size = [x.reduce((most, value, row) => Math.max(most, Math.hypot(value, y[row])), 1),
      z.reduce((most, value) => Math.max(most, Math.abs(value)), 1)];
    fill(find("tracks"), Object.keys(event.tracks), asked.get("tracks"));
    fill(find("stage"), Object.keys(event.graphs), asked.get("stage"));
    const modules = event.detector == null ? null : await readColumns(given.detectors[event.detector]);
    const outlines = modules ? moduleLayer(modules) : NOTHING;
    this.replace("barrel", shown(outlines, SEGMENT, 0, 1));
    this.replace("endcaps", shown(outlines, SEGMENT, 0, 2));
    find("modules").parentElement.hidden = !modules;
    if (!this.panes.cameras) {
      const cut = asked.get("pt") ?? this.firstCut();
      find("pt").value = Math.ceil(200 * Math.sqrt(cut / 5)) / 2;
      find("score").value = 200 * (asked.get("score") ?? 0.5);
      this.reset();
      this.show(asked.get("pane") ?? "all");
    }
    this.build();
  }

  // The pT in GeV that leaves MANY of them.
  firstCut() {
    const {tracks, particles} = this.event;
    const pt = (tracks[find("tracks").value] ?? particles)?.pt ?? [];
    return pt.length > MANY ? Float32Array.from(pt).sort()[pt.length - MANY] : 0;
  }

  build() {
    const scene = describe(this.event, find("tracks").value, find("stage").value);
    this.scene = scene;
    this.rows = {
      hits: hitLayer(scene), tracks: trackLayer(scene), particles: particleLayer(scene),
      edges: edgeLayer(scene)};
    this.replace("chosen", NOTHING);
    const {tracks, particles, graph} = scene;
    for (const box of document.querySelectorAll("[data-needs]")) {
      const there = {
        tracks, graph, unjudged: tracks && !particles, judged: tracks && particles, particles};
      box.hidden = !there[box.dataset.needs];
    }
    this.update();
  }

  replace(name, data) {
    this.layers[name]?.remove();
    this.layers[name] = name === "hits" ? this.painter.pointLayer(data)
      : this.painter.segmentLayer(data, THIN.includes(name));
  }

  // What the controls say: cuts, and which kinds are shown as bits.
  read() {
    const on = (id) => find(id).checked;
    const names = ["found", "merged", "fake", "short", "track", "missed", "other"];
    const bits = names.reduce((sum, name, k) => sum | on(name) << k, 0);
    return {
      minPt: 5 * (find("pt").value / 100) ** 2, minScore: find("score").value / 200,
      hits: on("hits") ? bits : 0, tracks: bits & 31,
      edges: on("edges") ? on("false-edges") << FALSE | on("true-edges") << TRUE | 1 << UNKNOWN : 0,
      modules: on("modules"), byScore: on("by-score"),
    };
  }

  update() {
    this.told = this.read();
    const {scene, told, rows} = this, {tracks, particles, graph} = scene;
    const cut = (name, kinds, minScore) => shown(
      rows[name], name === "hits" ? POINT : SEGMENT, told.minPt, kinds, minScore);
    this.replace("hits", cut("hits", told.hits));
    this.replace("tracks", cut("tracks", told.tracks));
    this.replace("missed", cut("particles", find("missed").checked << MISSED));
    this.replace("true", cut("particles", find("true").checked << OTHER));
    this.replace("edges", cut("edges", told.edges, told.minScore));
    const total = ["hits", "tracks", "missed", "true"].reduce((sum, name) => sum + this.layers[name].n, 0);
    const [share, least] = [FEW, LEAST].map((n) => Math.min(1, n / total));
    this.detail = {share, least, rich: false, tried: false};
    const above = (pt) => pt >= told.minPt;
    const count = (n, is) => {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += is(k);
      return sum;
    };
    const drawn = {hits: this.layers.hits.n, edges: this.layers.edges.n};
    for (const [name, kind] of Object.entries({found: FOUND, merged: MERGED, fake: FAKE,
      short: SHORT, track: TRACK})) {
      drawn[name] = count(tracks?.kind.length ?? 0,
        (k) => tracks.kind[k] === kind && above(tracks.pt[k]));
    }
    drawn.missed = count(particles?.pt.length ?? 0, (k) => tracks?.missed?.[k] && above(particles.pt[k]));
    drawn.true = count(particles?.pt.length ?? 0,
      (k) => (!tracks || tracks.selected[k] && !tracks.missed[k]) && above(particles.pt[k]));
    for (const [name, n] of Object.entries(drawn)) {
      if (find(`n-${name}`)) find(`n-${name}`).textContent = number(n);
    }
    find("pt-value").textContent = told.minPt.toFixed(2);
    find("score-value").textContent = told.minScore.toFixed(3);
    const stage = find("stage").value, all = this.event.nEdges[stage];
    find("note").textContent = graph && all > graph.inner.length
      ? `${number(graph.inner.length)} of ${number(all)} edges are in this page: those of highest ` +
        (particles ? "pT." : "score.") : "";
    document.body.dataset.drawn = JSON.stringify(drawn);
    this.redraw();
  }

  isShown(row) {
    const {scene, told} = this;
    return scene.hitPt[row] >= told.minPt && (told.hits >> scene.hitKind[row] & 1) === 1;
  }

  redraw() {
    this.waiting ??= requestAnimationFrame((now) => {
      this.waiting = null;
      if (this.scene) this.draw(now);
    });
  }

  // The view moves: less is drawn where that is slow, until it rests.
  move() {
    this.until = performance.now() + REST;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.rest(), REST);
    this.redraw();
  }

  rest() {
    clearTimeout(this.timer);
    this.until = 0;
    this.redraw();
  }

  // Less after a slow frame, more after a quick one; edges and modules, which are most, once only.
  pace(since) {
    const {detail} = this;
    if (since > SLOW) {
      if (!detail.rich) detail.share = Math.max(detail.least, detail.share * Math.max(0.5, SLOW / since));
      Object.assign(detail, {rich: false, tried: detail.tried || detail.rich});
    } else if (since < SLOW / 2) {
      if (detail.share === 1) detail.rich = !detail.tried;
      detail.share = Math.min(1, 1.25 * detail.share);
    }
  }

  draw(now) {
    const {painter, panes, layers, told} = this, {canvas} = panes;
    const moving = panes.moving || performance.now() < this.until;
    const since = moving && this.last ? now - this.last : 0;
    this.last = moving ? now : null;
    if (since) this.pace(since);
    const {share, rich} = moving ? this.detail : {share: 1, rich: true};
    document.body.dataset.share = share;
    if (panes.held.size) panes.fly(Math.min(since, 100) / 1000);
    const dots = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((n) => Math.round(n * dots));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
    painter.begin(width, height, COLOURS.page);
    for (const pane of panes.layout()) {
      const left = Math.round(pane.x * dots), wide = Math.round(pane.width * dots);
      const high = Math.round(pane.height * dots), top = Math.round(pane.y * dots);
      painter.pane(left, height - top - high, wide, high);
      const view = {matrix: panes.cameras[pane.k].matrix(pane.width, pane.height), projection: pane.k};
      const draw = (name, size, alpha, palette = BY_KIND, byScore = false) => painter.draw(
        layers[name], view, {size: size * dots, alpha, palette, byScore, share});
      if (told.modules && rich) {
        draw("barrel", 1, pane.k ? 0.3 : 0.12, GREYS);
        if (pane.k !== 1) draw("endcaps", 1, pane.k ? 0.3 : 0.12, GREYS);  // in x-y disks would cover all
      }
      if (rich) draw("edges", 1, 0.5, BY_TRUTH, told.byScore);
      draw("true", 4, 0.35);
      draw("hits", 3.2, 1);
      draw("tracks", 1.4, 1);
      draw("missed", 1.6, 1);
      draw("chosen", 3, 0.9, [white, ...Array(7).fill(grey)]);
    }
    panes.place();
    if (panes.held.size) this.move();
  }

  hover(at) {
    const tip = find("tip");
    const row = at && this.scene ? this.panes.pick(at, this.scene.hits, (k) => this.isShown(k)) : -1;
    if (row !== this.chosen) {
      this.chosen = row;
      this.replace("chosen", row < 0 ? NOTHING : chosenLayer(this.scene, row));
      this.redraw();
    }
    tip.hidden = row < 0;
    if (row < 0) return;
    tip.textContent = describeHit(this.scene, row);
    const {clientWidth} = this.panes.canvas;
    tip.style.left = `${Math.min(at.pane.x + at.x + 14, clientWidth - 260)}px`;
    tip.style.top = `${at.pane.y + at.y + 14}px`;
  }
}

function describeHit({hits, particles, tracks}, row) {
  const x = hits.x[row], y = hits.y[row], z = hits.z[row], GeV = (pt) =>
    pt < STRAIGHT ? `pT ${pt.toFixed(3)} GeV` : "straight";
  const lines = [
    `hit ${hits.id[row]}: volume ${hits.volume[row]}, layer ${hits.layer[row]}, ` +
    `module ${hits.module[row]}`,
    `r ${Math.hypot(x, y).toFixed(1)} mm, phi ${Math.atan2(y, x).toFixed(3)}, z ${z.toFixed(1)} mm`];
  const particle = hits.particle[row], track = tracks ? tracks.track[row] : -1;
  if (particle >= 0) {
    lines.push(`particle ${particles.id[particle]} (PDG ${particles.pdg[particle]}): ` +
      `${GeV(particles.pt[particle])}, eta ${particles.eta[particle].toFixed(2)}, ` +
      `${particles.n_hits[particle]} hits`);
  } else if (particles) lines.push("noise");
  if (track >= 0) {
    const kind = given.kinds[tracks.kind[track]], shared = tracks.shared?.[track];
    lines.push(`track ${tracks.label[track]}, ${kind}: ${GeV(tracks.pt[track])}, ` +
      (shared === undefined ? "" : `${shared} of `) + `${tracks.n_hits[track]} hits` +
      (shared === undefined ? "" : " of one particle"));
  } else if (tracks) lines.push("on no track");
  return lines.join("\n");
}

function fill(select, names, wanted) {
  const before = wanted ?? select.value;
  select.replaceChildren(...names.map((name) => new Option(name, name)));
  if (names.includes(before)) select.value = before;
}

try {
  const page = new Page();
  page.open().catch((error) => { find("problem").textContent = error.message; throw error; });
} catch (error) {
  find("problem").textContent = error.message;
}
