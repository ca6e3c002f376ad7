// The interaction network, of width W, see vectors.h.

#include "vectors.h"

constexpr int W = 32, PARTS = W / L;

static inline float total(V v) {
    float sum = 0;
    for (int k = 0; k < L; ++k) sum += v[k];
    return sum;
}

static inline float dot(const float* a, const float* b) {
    V sum = load(a) * load(b);
#pragma GCC unroll 4
    for (int k = L; k < W; k += L) sum += load(a + k) * load(b + k);
    return total(sum);
}

template <bool RELU, class Start>
static inline void layer(float* out, Start start, const float* a, int n, const float* b) {
    for (int j = 0; j < W; j += 2 * L)
        tile<RELU>(out + j, W, [&](int r, int v) { return start(r, j + v); }, a, n, b + j, W, n);
}

extern "C" void update_edges(
    int64_t lo, int64_t hi, const int64_t* first, const int64_t* second, const float* p,
    const float* q, float* edges, const float* edge_part, const float* edge_out,
    const float* edge_bias, const float* gate, float gate_bias, int64_t is_last, float* gates,
    const float* classify, const float* classify_bias, const float* last, float last_bias,
    float* logits) {
    alignas(64) float hidden[ROWS * W];
    for (int64_t top = lo; top < hi; top += ROWS) {
        const float *source[ROWS], *target[ROWS];
        for (int r = 0; r < ROWS; ++r) {
            int64_t edge = std::min(top + r, hi - 1);
            source[r] = p + first[edge] * W, target[r] = q + second[edge] * W;
        }
        float* e = edges + top * W;
        layer<true>(hidden, [&](int r, int j) { return load(source[r] + j) + load(target[r] + j); },
                    e, W, edge_part);
        layer<false>(e, [&](int r, int j) { return load(e + r * W + j) + load(edge_bias + j); },
                     hidden, W, edge_out);
        int n = std::min<int64_t>(ROWS, hi - top);
        if (is_last) {
            layer<true>(hidden, [&](int, int j) { return load(classify_bias + j); }, e, W,
                        classify);
            for (int r = 0; r < n; ++r) logits[top + r] = last_bias + dot(hidden + r * W, last);
        } else {
            float opening[L] = {};
            for (int r = 0; r < n; ++r) opening[r] = gate_bias + dot(gate, e + r * W);
            V limited = larger(smaller(load(opening), spread(40.0f)), spread(-40.0f));
            V open = 1.0f / (1.0f + exponential(-limited));
            for (int r = 0; r < n; ++r) gates[top + r] = open[r];
        }
    }
}

extern "C" void update_hits(
    int64_t lo, int64_t hi, int64_t n_hits, float* hits, const float* edges, const float* gates,
    const int64_t* from_start, const int32_t* out_of, const int64_t* into_start,
    const int32_t* into, const float* first, const float* first_bias, const float* second,
    const float* second_bias, const float* source, const float* target, const float* bias,
    float* p, float* q) {
    alignas(64) float hidden[ROWS * W], rows[ROWS * 3 * W];
    auto add = [&](V* sums, int64_t begin, int64_t end, const int32_t* list) {
        for (int64_t place = begin; place < end; ++place) {
            const float* edge = edges + (int64_t)list[place] * W;
            for (int v = 0; v < PARTS; ++v) sums[v] += gates[list[place]] * load(edge + v * L);
        }
    };
    for (int64_t top = lo; top < hi; top += ROWS) {
        float* h = hits + top * W;
        for (int r = 0; r < ROWS; ++r) {
            int64_t hit = top + r;
            V row[3 * PARTS] = {}, sum = {}, square = {};
            for (int v = 0; v < PARTS; ++v) row[v] = load(h + r * W + v * L);
            if (hit < n_hits) {
                add(row + PARTS, from_start[hit], from_start[hit + 1], out_of);
                add(row + 2 * PARTS, into_start[hit], into_start[hit + 1], into);
            }
            for (V v : row) sum += v;
            float mean = total(sum) / (3 * W);
            for (V v : row) square += (v - mean) * (v - mean);
            float scale = 1.0f / std::sqrt(total(square) / (3 * W) + 1e-5f);
            for (int v = 0; v < 3 * PARTS; ++v)
                store(rows + (r * 3 * PARTS + v) * L, (row[v] - mean) * scale);
        }
        layer<true>(hidden, [&](int, int j) { return load(first_bias + j); }, rows, 3 * W, first);
        layer<false>(h, [&](int r, int j) { return load(h + r * W + j) + load(second_bias + j); },
                     hidden, W, second);
        layer<false>(p + top * W, [&](int, int j) { return load(bias + j); }, h, W, source);
        layer<false>(q + top * W, [&](int, int) { return V{}; }, h, W, target);
    }
}
