// An event with one finder's tracks and one graph as layers of points and segments.

// kinds of tracks as in content.py, and what else hits can be
const FOUND = 0, MERGED = 1, FAKE = 2, SHORT = 3, TRACK = 4, MISSED = 5, OTHER = 6;
const STRAIGHT = 1e6;  // GeV; of what no cut hides, and of tracks that do not bend (content.py)
const SCORES = 256;  // steps of scores, of which the last is 255
// kinds of edges
const FALSE = 0, TRUE = 1, UNKNOWN = 2;

class Segments {
  constructor(hits, room) {
    this.hits = hits;
    this.data = new Float32Array(SEGMENT * room);
    this.n = 0;
  }

  add(i, j, pt, kind, score = 0) {
    const {x, y, z} = this.hits;
    this.data.set([x[i], y[i], z[i], pt, x[j], y[j], z[j], kind + score / 2], SEGMENT * this.n++);
  }

  path({rows, starts}, group, pt, kind) {
    for (let k = starts[group] + 1; k < starts[group + 1]; k++) {
      this.add(rows[k - 1], rows[k], pt, kind);
    }
  }

  get used() {
    return this.data.subarray(0, SEGMENT * this.n);
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

// Layers begin with what has the highest pT, so that their first rows are the ones to keep.
function stiffFirst(pt) {
  return Uint32Array.from(pt.keys()).sort((a, b) => pt[b] - pt[a]);
}

function hitLayer(scene) {
  const {hits, hitPt, hitKind} = scene, data = new Float32Array(POINT * hits.x.length);
  stiffFirst(hitPt).forEach((k, at) => {
    data.set([hits.x[k], hits.y[k], hits.z[k], hitPt[k], hitKind[k]], POINT * at);
  });
  return data;
}

function trackLayer({hits, tracks, ofTracks}) {
  const segments = new Segments(hits, tracks ? ofTracks.rows.length : 0);
  if (tracks) {
    for (const k of stiffFirst(tracks.pt)) segments.path(ofTracks, k, tracks.pt[k], tracks.kind[k]);
  }
  return segments.used;
}

// Particles that no track matches, and as OTHER the ones that are found, where tracks are judged;
// else all of them.
function particleLayer({hits, particles, tracks, ofParticles}) {
  const segments = new Segments(hits, particles ? ofParticles.rows.length : 0);
  for (const k of particles ? stiffFirst(particles.pt) : []) {
    if (!tracks || tracks.selected[k]) {
      segments.path(ofParticles, k, particles.pt[k], tracks?.missed[k] ? MISSED : OTHER);
    }
  }
  return segments.used;
}

function edgeLayer({hits, particles, graph}) {
  const segments = new Segments(hits, graph?.inner.length ?? 0);
  graph?.inner.forEach((i, k) => {
    const j = graph.outer[k], a = hits.particle[i], b = hits.particle[j];
    const pt = particles ? Math.max(particles.pt[a] ?? 0, particles.pt[b] ?? 0) : STRAIGHT;
    const kind = !particles ? UNKNOWN : a >= 0 && a === b ? TRUE : FALSE;
    segments.add(i, j, pt, kind, graph.score[k] / SCORES);
  });
  return segments.used;
}

// The rows of a layer above a pT whose kind has its bit in `kinds`, from a score on.
function shown(data, width, minPt, kinds, minScore = 0) {
  const kept = new Float32Array(data.length);
  let n = 0;
  for (let at = 0; at < data.length; at += width) {
    const tag = data[at + width - 1], kind = Math.floor(tag);
    if (data[at + 3] >= minPt && kinds >> kind & 1 && 2 * (tag - kind) >= minScore) {
      kept.set(data.subarray(at, at + width), n);
      n += width;
    }
  }
  return kept.subarray(0, n);
}

// Outlines; kind 0: its normal across the beam, 1: along it.
function moduleLayer({corners, endcap}) {
  const data = new Float32Array(4 * SEGMENT * endcap.length);
  for (let m = 0, at = 0; m < endcap.length; m++) {
    for (let k = 0; k < 4; k++, at += SEGMENT) {
      const next = 12 * m + 3 * ((k + 1) % 4);
      data.set(corners.subarray(12 * m + 3 * k, 12 * m + 3 * k + 3), at);
      data.set(corners.subarray(next, next + 3), at + 4);
      data[at + 3] = STRAIGHT;
      data[at + 7] = endcap[m];
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
