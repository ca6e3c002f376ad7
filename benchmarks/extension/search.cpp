// The search of the scored windows, see vectors.h.

#include "vectors.h"

// ALONG_BINS and PHI_BINS, cells of a layer, come from hitgraph by extension.py
constexpr int BLOCK = 128, BINS = 32, VARIABLES = 12;
constexpr double TURN = PHI_BINS / (2 * M_PI);
constexpr float SHORTEST = 1e-3f;

struct Reach { double low, high; };

static Reach reach(double zi, double ri, double z0_lo, double z0_hi, double steep_lo,
                   double steep_hi, const float* span, bool is_z) {
    double r_lo = span[0], r_hi = span[1], z_lo = span[2], z_hi = span[3], low, high;
    if (is_z) {
        low = std::min(r_lo * steep_lo, r_hi * steep_lo);
        high = std::max(r_lo * steep_hi, r_hi * steep_hi);
        if (r_lo > ri) {
            double slope_lo = (zi - z0_hi) / ri, slope_hi = (zi - z0_lo) / ri;
            low = std::max(low, zi + std::min((r_lo - ri) * slope_lo, (r_hi - ri) * slope_lo));
            high = std::min(high, zi + std::max((r_lo - ri) * slope_hi, (r_hi - ri) * slope_hi));
        }
        low = std::max(low, z_lo), high = std::min(high, z_hi);
    } else {
        low = r_lo, high = r_hi;
        auto at = [&](double z, double z0) { return ri + ri * (z - zi) / (zi - z0); };
        if (z_lo > 0 && steep_hi > 0) {
            low = std::max(low, z_lo / steep_hi);
            if (steep_lo > 0) high = std::min(high, z_hi / steep_lo);
            if (z_lo >= zi && zi > z0_hi)
                low = std::max(low, at(z_lo, z0_lo)), high = std::min(high, at(z_hi, z0_hi));
        } else if (z_hi < 0 && steep_lo < 0) {
            low = std::max(low, z_hi / steep_lo);
            if (steep_hi < 0) high = std::min(high, z_lo / steep_hi);
            if (z_hi <= zi && zi < z0_lo)
                low = std::max(low, at(z_hi, z0_hi)), high = std::min(high, at(z_lo, z0_lo));
        }
    }
    double margin = 1e-5f * (std::abs(low) + std::abs(high)) + 1e-3f;
    return {low - margin, high + margin};
}

static inline double within(double value, double low, double high) {
    value = value > low ? value : low;
    return value < high ? value : high;
}

static inline int along_bin(double t, const float* span, bool is_z) {
    float low = span[is_z ? 2 : 0], high = span[is_z ? 3 : 1];
    return within((t - low) * (ALONG_BINS / (double)std::max(high - low, 1e-3f)), 0, ALONG_BINS - 1);
}

static inline V arc_of(V square) {
    return 1.0f + square * (1.0f / 6 + 3.0f / 40 * square);
}

struct Tables {  // of one layer pair
    const float *low, *scale, *table;
    V entry(int variable, V value) const {
        V place = (value - low[variable]) * scale[variable];
        place = smaller(larger(place, V{}), spread(BINS - 1.0f));
        return entries(table + variable * BINS, __builtin_convertvector(place, I));
    }
};

// What the three tables from `first` on say of the cluster of a hit, columns as in a row
static inline V cluster_score(const Tables& tables, int first, const V* c, V per_r, V cosine,
                              V sine, V cot) {
    V tx = (cosine * c[0] - sine * c[1]) * per_r, ty = (cosine * c[1] + sine * c[0]) * per_r;
    auto along = [&](const V* axis) {
        return magnitude(tx * axis[0] + ty * axis[1] + cot * axis[2]);
    };
    V u = along(c + 7), v = along(c + 10), w = along(c + 13);
    V inverse = 1.0f / larger(w, spread(1e-6f));
    return tables.entry(first, c[5] - u * inverse) + tables.entry(first + 1, c[6] - v * inverse) +
           tables.entry(first + 2, c[4] * w / root(1.0f + cot * cot));
}

extern "C" int64_t search_scored(
    int64_t begin, int64_t end, const float* columns, int64_t n_columns, const float* places,
    const float* clusters, const double* distance2, const int32_t* order, const int64_t* layer,
    const int64_t* module, const int32_t* starts, int64_t n_layers, const float* span,
    const bool* along_is_z, const int64_t* first_window, const int64_t* window_outer,
    const float* bounds, const double* reaches, const float* base, const float* low,
    const float* scale, const float* table, const float* best, float cut, int64_t room,
    int32_t* inner, int32_t* outer, float* scores) {
    const float *xs = columns, *ys = xs + n_columns, *zs = ys + n_columns, *rs = zs + n_columns;
    const float *etas = rs + n_columns, *inverse_rs = etas + n_columns;
    int32_t longest = 0;
    for (int64_t m = 0, cells = ALONG_BINS * PHI_BINS; m < n_layers; ++m)
        longest = std::max(longest, starts[(m + 1) * cells] - starts[m * cells]);
    std::vector<uint32_t> chosen(longest + 2 * L);
    float score[BLOCK + L], cots[BLOCK + L], cosines[BLOCK + L], sines[BLOCK + L];
    int64_t n_pairs = 0;
    for (int64_t i = begin; i < end; ++i) {
        float xi = xs[i], yi = ys[i], zi = zs[i], ri = rs[i], eta = etas[i];
        float inverse_ri = inverse_rs[i];
        double phi_place = within((std::atan2(yi, xi) + M_PI) * TURN, 0, PHI_BINS);
        double steep = std::sinh((double)eta), cosh = std::cosh((double)eta);
        V frame[16];
        for (int c = 0; c < 16; ++c) frame[c] = spread(clusters[16 * i + c]);
        float ri_least = std::max(ri, SHORTEST);
        for (int64_t window = first_window[layer[i]]; window < first_window[layer[i] + 1];
             ++window) {
            int64_t m = window_outer[window];
            const float *layer_span = span + 4 * m, *bound = bounds + 16 * window;
            const double* turn = reaches + 6 * window;
            if (layer_span[0] > layer_span[1]) continue;
            bool is_z = along_is_z[m];
            float sine_lo = bound[0], sine_hi = bound[1], z0_lo = bound[2], z0_hi = bound[3];
            float bend_lo = bound[4] * 0.5f, bend_hi = bound[5] * 0.5f;
            float eta_lo = eta + bound[6], eta_hi = eta + bound[7];
            Reach along = reach(zi, ri, z0_lo, z0_hi, steep * turn[2] + cosh * turn[4],
                                steep * turn[3] + cosh * turn[5], layer_span, is_z);
            if (!(along.low <= along.high)) continue;
            int along_lo = along_bin(along.low, layer_span, is_z);
            int along_hi = along_bin(along.high, layer_span, is_z);
            int phi_lo = std::floor(phi_place + turn[0]);
            int n_bins = (int)std::floor(phi_place + turn[1]) - phi_lo + 1;
            n_bins = std::max(0, std::min(n_bins, PHI_BINS));
            phi_lo = (phi_lo % PHI_BINS + PHI_BINS) % PHI_BINS;
            int before_pi = std::min(n_bins, PHI_BINS - phi_lo), n_chosen = 0;
            auto test = [&](int j_lo, int j_hi) {
                for (int top = j_lo; top < j_hi; top += L) {
                    V dx = load(xs + top) - xi, dy = load(ys + top) - yi, e = load(etas + top);
                    V sine = (xi * dy - yi * dx) * (inverse_ri * load(inverse_rs + top));
                    V bend = sine / length(dx, dy);
                    V z0 = zi - (load(zs + top) - zi) * ri / (load(rs + top) - ri);
                    auto inside = [](V value, float least, float most) {
                        return at_least(value, spread(least)) & at_least(spread(most), value);
                    };
                    Mask fits = inside(sine, sine_lo, sine_hi) & inside(bend, bend_lo, bend_hi) &
                                inside(z0, z0_lo, z0_hi) & inside(e, eta_lo, eta_hi) &
                                first_lanes(j_hi - top);
                    n_chosen += append(&chosen[n_chosen], LANE + top, fits);
                }
            };
            for (int bin = along_lo; bin <= along_hi; ++bin) {
                const int32_t* cells = starts + (m * ALONG_BINS + bin) * PHI_BINS;
                test(cells[phi_lo], cells[phi_lo + before_pi]);
                if (before_pi < n_bins) test(cells[0], cells[n_bins - before_pi]);
            }
            Tables tables{low + window * VARIABLES, scale + window * VARIABLES,
                          table + window * VARIABLES * BINS};
            float place = along_is_z[layer[i]] ? zi : ri;
            int bin = within((place - tables.low[0]) * tables.scale[0], 0, BINS - 1);
            float start = base[window] + tables.table[bin];
            for (int from = 0; from < n_chosen; from += BLOCK) {
                uint32_t* partners = &chosen[from];
                int n = std::min(BLOCK, n_chosen - from), n_kept = 0, n_left = 0;
                for (int k = n; k % L; ++k) partners[k] = i;
                for (int k = 0; k < n; k += L) {
                    V p[8], least = spread(SHORTEST);
                    take_rows<8>(p, places, partners + k);
                    V dx = p[0] - xi, dy = p[1] - yi, dz = p[2] - zi, dr = p[3] - ri;
                    V distance = larger(length(dx, dy), least), rj = larger(p[3], least);
                    V per_i = 1.0f / (ri_least * distance), per_j = 1.0f / (rj * distance);
                    V cross = xi * dy - yi * dx, sine = cross / (ri_least * rj);
                    V cot = dz / (distance * arc_of(sine * sine));
                    V cos_i = (p[0] * dx + p[1] * dy) * per_j, sin_i = cross * per_j;
                    V z0 = zi - cot * ri * arc_of(sin_i * sin_i);
                    V sum = start + tables.entry(1, p[is_z ? 2 : 3]) +
                            tables.entry(2, 2.0f * sine / distance) +
                            tables.entry(3, p[4] - eta) +
                            tables.entry(4, z0 / (100.0f + magnitude(z0))) +
                            tables.entry(5, (zi * p[3] - p[2] * ri) / root(dr * dr + dz * dz));
                    sum += cluster_score(tables, 6, frame, spread(1.0f / ri), cos_i, sin_i, cot);
                    Mask kept = at_least(sum, spread(cut - best[window])) & first_lanes(n - k);
                    append(score + n_kept, sum, kept);
                    append(cots + n_kept, cot, kept);
                    append(cosines + n_kept, (xi * dx + yi * dy) * per_i, kept);
                    append(sines + n_kept, cross * per_i, kept);
                    n_kept += append(partners + n_kept, load(partners + k), kept);
                }
                for (int k = n_kept; k % L; ++k) partners[k] = i;
                for (int k = 0; k < n_kept; k += L) {
                    V c[16];
                    take_rows<16>(c, clusters, partners + k);
                    V sum = load(score + k) + cluster_score(tables, 9, c, 1.0f / c[3],
                                                            load(cosines + k), load(sines + k),
                                                            load(cots + k));
                    Mask kept = at_least(sum, spread(cut)) & first_lanes(n_kept - k);
                    append(score + n_left, sum, kept);
                    n_left += append(partners + n_left, load(partners + k), kept);
                }
                if (n_pairs + n_left > room) return -1;
                for (int k = 0; k < n_left; ++k) {
                    uint32_t j = partners[k];
                    if (distance2[j] < distance2[i] || module[j] == module[i]) continue;
                    if (distance2[j] == distance2[i] && order[j] <= order[i]) continue;
                    if (xi * xs[j] + yi * ys[j] < 0) continue;
                    inner[n_pairs] = order[i], outer[n_pairs] = order[j];
                    scores[n_pairs++] = score[k];
                }
            }
        }
    }
    return n_pairs;
}
