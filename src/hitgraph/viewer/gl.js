// Points and lines of any width in WebGL 2. A tag is kind + score / 2.

const ROW = 2048;  // texels
const POINT = 5, SEGMENT = 8;  // numbers each

const COMMON = `#version 300 es
precision highp float;
uniform mat4 matrix;
uniform int projection;  // 0: 3D, 1: x-y, 2: r-z
uniform vec2 pixels;
uniform float size, alpha;
uniform vec3 palette[8];
uniform bool byScore;
out vec4 colour;
vec4 place(vec3 p) {
  vec3 q = projection == 1 ? vec3(p.xy, 0) : projection == 2 ? vec3(p.z, length(p.xy), 0) : p;
  return matrix * vec4(q, 1);
}
void paint(float tag) {
  colour = vec4(byScore ? mix(palette[0], palette[1], 2.0 * fract(tag)) : palette[int(tag)], alpha);
}
const vec4 NOWHERE = vec4(2, 2, 2, 1);`;

const POINTS = `${COMMON}
in vec3 position;
in float tag;
void main() {
  gl_Position = place(position);
  gl_PointSize = size;
  paint(tag);
}`;

// Segments come out of a texture, two texels each (instances of so few corners are slow without a
// GPU): ends as (x, y, z), and pT and tag. Thin ones are lines, the others two triangles.
// The part behind the eye is cut off.
const SEGMENTS = `${COMMON}
uniform highp sampler2D segments;
uniform bool thin;
vec4 texel(int k) {
  return texelFetch(segments, ivec2(k % ${ROW}, k / ${ROW}), 0);
}
void main() {
  int corner = gl_VertexID % (thin ? 2 : 6), k = 2 * (gl_VertexID / (thin ? 2 : 6));
  vec4 first = texel(k), second = texel(k + 1);
  paint(second.w);
  vec4 a = place(first.xyz), b = place(second.xyz);
  if (max(a.w, b.w) < 1.0) { gl_Position = NOWHERE; return; }
  if (a.w < 1.0) a = mix(a, b, (1.0 - a.w) / (b.w - a.w));
  if (b.w < 1.0) b = mix(b, a, (1.0 - b.w) / (a.w - b.w));
  if (thin) { gl_Position = corner == 0 ? a : b; return; }
  vec2 along = (b.xy / b.w - a.xy / a.w) * pixels;
  float far = length(along), side = corner == 1 || corner > 3 ? 1.0 : -1.0;
  vec2 across = far > 0.0 ? vec2(-along.y, along.x) / far : vec2(0, 1);
  vec4 end = corner < 2 || corner == 4 ? a : b;
  gl_Position = end + vec4(side * size * across / pixels * end.w, 0, 0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform bool round;
in vec4 colour;
out vec4 result;
void main() {
  if (round && length(gl_PointCoord - 0.5) > 0.5) discard;
  result = colour;
}`;

class Painter {
  constructor(canvas) {
    this.gl = canvas.getContext("webgl2", {antialias: true, alpha: false});
    if (!this.gl) throw new Error("this browser has no WebGL 2, which the display needs");
    this.points = this.program(POINTS);
    this.segments = this.program(SEGMENTS);
  }

  program(vertex) {
    const {gl} = this, program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) {
        throw new Error(gl.getShaderInfoLog(shader));
      }
    }
    gl.linkProgram(program);
    const uniforms = {};
    for (let k = 0; k < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); k++) {
      const name = gl.getActiveUniform(program, k).name.replace("[0]", "");
      uniforms[name] = gl.getUniformLocation(program, name);
    }
    return {program, uniforms};
  }

  // Points on their way to the GPU: rows of x, y, z, pT and a tag.
  pointLayer(data) {
    const {gl} = this, array = gl.createVertexArray(), buffer = gl.createBuffer();
    gl.bindVertexArray(array);
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
    for (const [name, n, offset] of [["position", 3, 0], ["tag", 1, 16]]) {
      const place = gl.getAttribLocation(this.points.program, name);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, n, gl.FLOAT, false, 4 * POINT, offset);
    }
    return {array, n: data.length / POINT, remove() {
      gl.deleteVertexArray(array);
      gl.deleteBuffer(buffer);
    }};
  }

  // Segments: rows of the two texels.
  segmentLayer(data, thin) {
    const {gl} = this, texture = gl.createTexture(), rows = Math.max(1, Math.ceil(data.length / 4 / ROW));
    const padded = new Float32Array(4 * ROW * rows);
    padded.set(data);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, ROW, rows, 0, gl.RGBA, gl.FLOAT, padded);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return {texture, thin, n: data.length / SEGMENT, remove: () => gl.deleteTexture(texture)};
  }

  begin(width, height, background) {
    const {gl} = this;
    gl.disable(gl.SCISSOR_TEST);
    gl.viewport(0, 0, width, height);
    gl.clearColor(...background, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
    gl.enable(gl.SCISSOR_TEST);
    gl.depthFunc(gl.LEQUAL);
  }

  // A part of the canvas, in its pixels from the lower left.
  pane(x, y, width, height) {
    this.gl.viewport(x, y, width, height);
    this.gl.scissor(x, y, width, height);
    this.pixels = [width, height];
  }

  draw(layer, view, how) {
    const {gl} = this, {program, uniforms} = layer.texture ? this.segments : this.points;
    if (!layer.n) return;
    gl.useProgram(program);
    gl.uniformMatrix4fv(uniforms.matrix, false, view.matrix);
    gl.uniform1i(uniforms.projection, view.projection);
    gl.uniform2f(uniforms.pixels, ...this.pixels);
    gl.uniform1f(uniforms.size, how.size);
    gl.uniform1f(uniforms.alpha, how.alpha ?? 1);
    gl.uniform3fv(uniforms.palette, how.palette.flat());
    gl.uniform1i(uniforms.byScore, how.byScore ? 1 : 0);
    gl.uniform1i(uniforms.round, layer.texture ? 0 : 1);
    gl.uniform1i(uniforms.thin ?? null, layer.thin ? 1 : 0);
    // what is opaque hides what is behind it; planes have no behind
    const deep = view.projection === 0;
    (deep ? gl.enable : gl.disable).call(gl, gl.DEPTH_TEST);
    gl.depthMask(deep && (how.alpha ?? 1) === 1);
    gl.bindVertexArray(layer.array ?? null);
    if (layer.texture) gl.bindTexture(gl.TEXTURE_2D, layer.texture);
    const n = Math.ceil(how.share * layer.n);  // the first, which are those of highest pT
    if (layer.array) gl.drawArrays(gl.POINTS, 0, n);
    else if (layer.thin) gl.drawArrays(gl.LINES, 0, 2 * n);
    else gl.drawArrays(gl.TRIANGLES, 0, 6 * n);
    gl.depthMask(true);
  }
}
