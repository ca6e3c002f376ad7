// An event with one finder's tracks and one graph as layers of points and segments.

// kinds of tracks as in content.py, and what else hits can be
const FOUND = 0, MERGED = 1, FAKE = 2, SHORT = 3, TRACK = 4, MISSED = 5, OTHER = 6;
const STRAIGHT = 1e6;  // GeV; of what no cut hides, and of tracks that do not bend (content.py)
// kinds of edges
const FALSE = 0, TRUE = 1, UNKNOWN = 2;

class Segments {
  constructor(hits, room) {
    this.hits = hits;
    this.data = new Float32Array(8 * room);
    this.n = 0;
  }

  add(i, j, pt, kind, score = 0.999) {
    const {x, y, z} = this.hits;
    this.data.set([x[i], y[i], z[i], pt, x[j], y[j], z[j], kind + score / 2], 8 * this.n++);
  }

  path({rows, starts}, group, pt, kind) {
    for (let k = starts[group] + 1; k < starts[group + 1]; k++) {
      this.add(rows[k - 1], rows[k], pt, kind);
    }
  }

  get used() {
    return this.data.subarray(0, 8 * this.n);
  }
}

// What the layers of an event are made of: tags of hits, tracks, particles and edges.
function describe(event, finder, stage) {
  const {hits, particles} = event, n = hits.x.length;
  const tracks = event.tracks[finder] ?? null, graph = event.graphs[stage] ?? null;
  const ofParticles = particles && paths(hits.particle, hits.depth, particles.id.length);
  const ofTracks = tracks && paths(tracks.track, hits.depth, tracks.label.length);
  const hitPt = new Float32Array(n), hitKind = new Uint8Array(n).fill(OTHER);
  for (let row = 0; row < n; row++) {
    const track = tracks ? tracks.track[row] : -1, particle = hits.particle[row];
    if (track >= 0) {
      hitKind[row] = tracks.kind[track];
      hitPt[row] = tracks.pt[track];
    } else if (particle >= 0) {
      hitPt[row] = particles.pt[particle];
      if (tracks?.missed?.[particle]) hitKind[row] = MISSED;
    }
  }
  return {...event, tracks, graph, ofParticles, ofTracks, hitPt, hitKind};
}

function hitLayer(scene) {
  const {hits, hitPt, hitKind} = scene, data = new Float32Array(6 * hits.x.length);
  for (let k = 0; k < hits.x.length; k++) {
    data.set([hits.x[k], hits.y[k], hits.z[k], hitPt[k], hitKind[k], 1], 6 * k);
  }
  return data;
}

function trackLayer({hits, tracks, ofTracks}) {
  const segments = new Segments(hits, tracks ? ofTracks.rows.length : 0);
  if (tracks) {
    tracks.kind.forEach((kind, k) => segments.path(ofTracks, k, tracks.pt[k], kind));
  }
  return segments.used;
}

// Particles that no track matches, and as OTHER the ones that are found, where tracks are judged;
// else all of them.
function particleLayer({hits, particles, tracks, ofParticles}) {
  const segments = new Segments(hits, particles ? ofParticles.rows.length : 0);
  particles?.pt.forEach((pt, k) => {
    if (!tracks || tracks.selected[k]) {
      segments.path(ofParticles, k, pt, tracks?.missed[k] ? MISSED : OTHER);
    }
  });
  return segments.used;
}

function edgeLayer(scene) {
  const {hits, particles, graph} = scene, segments = new Segments(hits, graph?.inner.length ?? 0);
  const {pt, kind} = edgeTags(scene);
  graph?.inner.forEach((i, k) =>
    segments.add(i, graph.outer[k], pt[k], kind[k], Math.min(graph.score[k] / 255, 0.999)));
  return segments.used;
}

function edgeTags({hits, particles, graph}) {
  const n = graph?.inner.length ?? 0, pt = new Float32Array(n), kind = new Uint8Array(n);
  for (let k = 0; k < n; k++) {
    const a = hits.particle[graph.inner[k]], b = hits.particle[graph.outer[k]];
    pt[k] = particles ? Math.max(particles.pt[a] ?? 0, particles.pt[b] ?? 0) : STRAIGHT;
    kind[k] = !particles ? UNKNOWN : a >= 0 && a === b ? TRUE : FALSE;
  }
  return {pt, kind};
}

// Outlines; kind 0: its normal across the beam, 1: along it.
function moduleLayer({corners, endcap}) {
  const data = new Float32Array(32 * endcap.length);
  for (let m = 0, at = 0; m < endcap.length; m++) {
    for (let k = 0; k < 4; k++, at += 8) {
      const next = 12 * m + 3 * ((k + 1) % 4);
      data.set(corners.subarray(12 * m + 3 * k, 12 * m + 3 * k + 3), at);
      data.set(corners.subarray(next, next + 3), at + 4);
      data[at + 3] = STRAIGHT;
      data[at + 7] = endcap[m] + 0.4995;
    }
  }
  return data;
}

// The track and the particle of one hit.
function chosenLayer({hits, tracks, particles, ofTracks, ofParticles}, row) {
  const particle = hits.particle[row], track = tracks ? tracks.track[row] : -1;
  const segments = new Segments(
    hits, (particles?.n_hits[particle] ?? 0) + (tracks?.n_hits[track] ?? 0));
  if (particle >= 0) segments.path(ofParticles, particle, STRAIGHT, 1);
  if (track >= 0) segments.path(ofTracks, track, STRAIGHT, 0);
  return segments.used;
}
