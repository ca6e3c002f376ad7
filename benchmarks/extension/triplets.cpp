// The triplet filter, see vectors.h.

#include "vectors.h"

constexpr int BATCH = 64, N_INPUTS = 15, SIDE = 64;

static inline V miss_circle(const V* i, const V* j, const V* k, V& cross, V& size) {
    cross = i[0] * k[1] - k[0] * i[1];
    V a = i[3] * k[1] - k[3] * i[1], b = i[0] * k[3] - k[0] * i[3];
    size = a * a + b * b + 1e-3f;
    return j[3] * cross - a * j[0] - b * j[1];
}

static inline V miss_line(V zi, V zj, V zk, V inner, V outer, V& stretch) {
    V way = inner + outer + 1e-3f, rise = zk - zi;
    stretch = way * way + rise * rise;
    return (zj - zi) * way - rise * inner;
}

static inline V with_sign(V value, V of) { return choose(at_least(of, V{}), value, -value); }

// Inputs of L triplets of edges e and f, by column
static inline void fill_inputs(float* out, const uint32_t* e, const uint32_t* f,
                               const int32_t* source, const int32_t* target, const float* points,
                               const float* edge_rows) {
    uint32_t hits[3][L];
    for (int k = 0; k < L; ++k)
        hits[0][k] = source[e[k]], hits[1][k] = target[e[k]], hits[2][k] = target[f[k]];
    V i[4], j[4], k[4], one[8], two[8], cross, size, stretch;
    take_rows<4>(i, points, hits[0]);
    take_rows<4>(j, points, hits[1]);
    take_rows<4>(k, points, hits[2]);
    take_rows<8>(one, edge_rows, e);
    take_rows<8>(two, edge_rows, f);
    V miss = miss_circle(i, j, k, cross, size);
    V inner = length(j[0] - i[0], j[1] - i[1]), outer = length(k[0] - j[0], k[1] - j[1]);
    V miss_z = miss_line(i[2], j[2], k[2], inner, outer, stretch);
    V up = k[2] - i[2];
    auto input = [&](int column, V value) { store(out + column * BATCH, value); };
    miss = 10.0f * miss / root(size);
    input(0, with_sign(with_sign(root(magnitude(miss)), miss), cross));
    miss_z = 10.0f * miss_z / root(stretch);
    input(1, with_sign(with_sign(root(magnitude(miss_z)), miss_z), up));
    V apart = two[0] - one[0];
    input(2, with_sign(apart / (magnitude(apart) + 0.1f), cross));
    apart = two[1] - one[1];
    input(3, with_sign(apart / (magnitude(apart) + 0.02f), up));
    apart = two[2] - one[2];
    input(4, with_sign(apart / (magnitude(apart) + 0.02f), up));
    V chord = length(k[0] - i[0], k[1] - i[1]) + 1e-3f;
    input(5, 2000.0f * magnitude(cross) / (root(i[3] * k[3]) * chord));
    input(6, 0.5f * magnitude(one[1] + two[1]));
    input(7, one[5]);
    input(8, two[5]);
    input(9, 1e-3f * root(j[3]));
    input(10, 1e-3f * magnitude(j[2]));
    input(11, one[3]);
    input(12, two[3]);
    input(13, one[4]);
    input(14, two[4]);
}

struct Network {
    const float *mean, *per_std, *w1, *b1, *w2, *b2, *last;
    float last_bias;
    int64_t width1, width2, bias_row;
};

static inline void judge(float* inputs, const Network& net, float* logits) {
    alignas(64) float one[32 * BATCH], two[32 * BATCH];  // the widest of `compact`
    for (int column = 0; column < N_INPUTS; ++column)
        for (int k = column * BATCH; k < (column + 1) * BATCH; k += L) {
            V value = (load(inputs + k) - net.mean[column]) * net.per_std[column];
            store(inputs + k, smaller(larger(value, spread(-8.0f)), spread(8.0f)));
        }
    for (int top = 0; top < BATCH; top += 2 * L) {
        auto layer = [&](float* out, const float* in, const float* w, const float* bias, int m,
                         int n) {
            for (int j = 0; j < m; j += ROWS)
                tile<true>(out + j * BATCH + top, BATCH,
                           [&](int r, int) { return spread(bias[(j + r) * net.bias_row]); },
                           w + j * n, n, in + top, BATCH, n);
        };
        layer(one, inputs, net.w1, net.b1, net.width1, N_INPUTS);
        layer(two, one, net.w2, net.b2, net.width2, net.width1);
        for (int k = top; k < top + 2 * L; k += L) {
            V sum = spread(net.last_bias);
            for (int j = 0; j < net.width2; ++j) sum += net.last[j] * load(two + j * BATCH + k);
            store(logits + k, sum);
        }
    }
}

extern "C" void support_edges(
    int64_t first_hit, int64_t last_hit, const int32_t* source, const int32_t* target,
    const int64_t* into_start, const int32_t* into, const int64_t* from_start,
    const int32_t* out_of, const float* points, const float* edge_rows, float reach_phi,
    float reach_z, const float* mean, const float* per_std, const float* w1, const float* b1,
    const float* w2, const float* b2, const float* last, float last_bias, int64_t width1,
    int64_t width2, int64_t bias_row, float* support) {
    Network net{mean, per_std, w1, b1, w2, b2, last, last_bias, width1, width2, bias_row};
    struct Ends {
        uint32_t edges[SIDE + L] = {}, hits[SIDE + L] = {};
        V points[SIDE / L][4], way[SIDE / L];
    } inner, outer;
    alignas(64) float inputs[N_INPUTS * BATCH], logits[BATCH], odds[BATCH];
    std::vector<uint32_t> first(2 * BATCH + SIDE + L), second(first.size());
    int n = 0;  // triplets that wait for a full batch
    auto take_side = [&](Ends& side, const int32_t* list, const int32_t* ends, int count, V* j) {
        for (int k = 0; k < count; ++k) {
            side.edges[k] = list[k];
            side.hits[k] = ends[list[k]];
        }
        for (int v = 0; v * L < count; ++v) {
            V* at = side.points[v];
            take_rows<4>(at, points, side.hits + v * L);
            side.way[v] = length(at[0] - j[0], at[1] - j[1]);
        }
    };
    auto work_off = [&](int count) {
        for (int k = 0; k < BATCH; k += L)
            fill_inputs(inputs + k, &first[k], &second[k], source, target, points, edge_rows);
        judge(inputs, net, logits);
        for (int k = 0; k < BATCH; k += L)
            store(odds + k, exponential(larger(smaller(load(logits + k), spread(8.0f)),
                                               spread(-80.0f))));
        for (int k = 0; k < count; ++k) {
            float *e = support + 4 * (int64_t)first[k], *f = support + 4 * (int64_t)second[k];
            f[0] = std::max(f[0], logits[k]), f[1] += odds[k];
            e[2] = std::max(e[2], logits[k]), e[3] += odds[k];
        }
    };
    for (int64_t hit = first_hit; hit < last_hit; ++hit) {
        V j[4];
        for (int c = 0; c < 4; ++c) j[c] = spread(points[4 * hit + c]);
        for (int64_t out = from_start[hit]; out < from_start[hit + 1]; out += SIDE) {
            int n_outer = std::min<int64_t>(SIDE, from_start[hit + 1] - out);
            if (into_start[hit] == into_start[hit + 1]) continue;
            take_side(outer, out_of + out, target, n_outer, j);
            for (int64_t in = into_start[hit]; in < into_start[hit + 1]; in += SIDE) {
                int n_inner = std::min<int64_t>(SIDE, into_start[hit + 1] - in);
                take_side(inner, into + in, source, n_inner, j);
                for (int p = 0; p < n_inner; ++p) {
                    V i[4];
                    for (int c = 0; c < 4; ++c) i[c] = spread(inner.points[p / L][c][p % L]);
                    V way = spread(inner.way[p / L][p % L]);
                    for (int top = 0; top < n_outer; top += L) {
                        const V* k = outer.points[top / L];
                        V cross, size, stretch, miss = miss_circle(i, j, k, cross, size);
                        V miss_z = miss_line(i[2], j[2], k[2], way, outer.way[top / L], stretch);
                        V over = reach_phi * reach_phi * size - miss * miss;
                        V over_z = reach_z * reach_z * stretch - miss_z * miss_z;
                        Mask near = at_least(over, V{}) & at_least(over_z, V{}) &
                                    first_lanes(n_outer - top);
                        store(&first[n], spread((int)inner.edges[p]));
                        n += append(&second[n], load(outer.edges + top), near);
                    }
                    for (; n >= BATCH; n -= BATCH) {
                        work_off(BATCH);
                        std::copy(first.begin() + BATCH, first.begin() + n, first.begin());
                        std::copy(second.begin() + BATCH, second.begin() + n, second.begin());
                    }
                }
            }
        }
    }
    work_off(n);
}
