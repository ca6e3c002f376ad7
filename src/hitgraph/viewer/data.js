// Columns out of the page, and hits of tracks in order. The way there: arrays.py, content.py.

const TYPES = {
  uint8: Uint8Array, uint16: Uint16Array, int32: Int32Array, int64: BigInt64Array,
  float32: Float32Array,
};

async function readColumns(packed) {
  const coded = Uint8Array.from(atob(packed.bytes), (character) => character.charCodeAt(0));
  const plain = new Blob([coded]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(plain).arrayBuffer();
  return Object.fromEntries(packed.columns.map(
    ([name, type, offset, length]) => [name, new TYPES[type](buffer, offset, length)]));
}

async function readAll(packed) {
  const names = Object.keys(packed);
  const columns = await Promise.all(names.map((name) => readColumns(packed[name])));
  return Object.fromEntries(names.map((name, k) => [name, columns[k]]));
}

async function readEvent(given) {
  const [hits, particles, tracks, graphs] = await Promise.all([
    readColumns(given.hits), given.judged ? readColumns(given.particles) : null,
    readAll(given.tracks), readAll(given.graphs)]);
  hits.depth = hits.x.map((x, k) => Math.hypot(x, hits.y[k], hits.z[k]));
  return {name: given.name, hits, particles, tracks, graphs, nEdges: given.n_edges};
}

// Rows of the hits of each group, from inside out: group k has rows[starts[k]] to starts[k + 1].
function paths(group, depth, nGroups) {
  const rows = Array.from(group.keys()).filter((row) => group[row] >= 0);
  rows.sort((a, b) => group[a] - group[b] || depth[a] - depth[b]);
  const starts = new Uint32Array(nGroups + 1);
  for (const row of rows) starts[group[row] + 1]++;
  for (let k = 0; k < nGroups; k++) starts[k + 1] += starts[k];
  return {rows, starts};
}
