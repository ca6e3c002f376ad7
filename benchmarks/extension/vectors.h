// Vectors of L numbers, 16 with AVX-512 and 8 with AVX2, for the kernels beside.
//
// Only a measure, built and called by extension.py: nothing else uses it. Each function takes the
// arrays of the kernel of its name, for the widths of `compact`. What is done is the same; what
// lies between two steps stays in vector registers where numba's goes through memory.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#ifdef __AVX512F__
constexpr int L = 16, ROWS = 8;
#else
constexpr int L = 8, ROWS = 4;
#endif
typedef float V __attribute__((vector_size(4 * L)));
typedef int32_t I __attribute__((vector_size(4 * L)));
typedef float Loose __attribute__((vector_size(4 * L), aligned(4), may_alias));
typedef int32_t LooseI __attribute__((vector_size(4 * L), aligned(4), may_alias));

static inline V load(const float* p) { return *(const Loose*)p; }
static inline I load(const uint32_t* p) { return *(const LooseI*)p; }
static inline void store(float* p, V v) { *(Loose*)p = v; }
static inline void store(uint32_t* p, I v) { *(LooseI*)p = v; }
static inline V spread(float x) { return V{} + x; }
static inline I spread(int x) { return I{} + x; }

template <int... K>
static I count_up(std::integer_sequence<int, K...>) { return I{K...}; }
static const I LANE = count_up(std::make_integer_sequence<int, L>());

#ifdef __AVX512F__
typedef __mmask16 Mask;
static inline Mask at_least(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
static inline V choose(Mask m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }
static inline V root(V a) { return _mm512_sqrt_ps(a); }
static inline Mask first_lanes(int64_t n) { return n < L ? (1u << n) - 1 : 0xFFFF; }
static inline int append(uint32_t* out, I v, Mask m) {
    store(out, (I)_mm512_maskz_compress_epi32(m, (__m512i)v));
    return __builtin_popcount(m);
}
static inline V entries(const float* table, I place) {
    return _mm512_permutex2var_ps(load(table), (__m512i)place, load(table + L));
}
template <int W>
static inline V rows_of(const float* table, const uint32_t* rows, int width) {
    auto row = [&](int r) { return table + (size_t)rows[r] * width; };
    if constexpr (W == 16) return load(row(0));
    if constexpr (W == 8)
        return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(row(0))),
                                  _mm256_loadu_ps(row(8)), 1);
    __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(row(0)));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(row(4)), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(row(8)), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(row(12)), 3);
}
#else
typedef I Mask;
static inline Mask at_least(V a, V b) { return (I)_mm256_cmp_ps(a, b, _CMP_GE_OQ); }
static inline V choose(Mask m, V a, V b) { return _mm256_blendv_ps(b, a, (V)m); }
static inline V root(V a) { return _mm256_sqrt_ps(a); }
static inline Mask first_lanes(int64_t n) { return LANE < spread((int)std::min<int64_t>(n, L)); }
struct Moves {  // which lanes come to the front, for each set of lanes
    uint32_t lanes[256][8] = {};
    Moves() {
        for (int set = 0; set < 256; ++set)
            for (int k = 0, n = 0; k < 8; ++k)
                if (set >> k & 1) lanes[set][n++] = k;
    }
};
static const Moves MOVES;
static inline int append(uint32_t* out, I v, Mask m) {
    int set = _mm256_movemask_ps((__m256)m);
    I lanes = load(MOVES.lanes[set]);
    store(out, (I)_mm256_permutevar8x32_epi32((__m256i)v, (__m256i)lanes));
    return __builtin_popcount(set);
}
static inline V entries(const float* table, I place) {
    return _mm256_i32gather_ps(table, (__m256i)place, 4);
}
template <int W>
static inline V rows_of(const float* table, const uint32_t* rows, int width) {
    auto row = [&](int r) { return table + (size_t)rows[r] * width; };
    if constexpr (W == 8) return load(row(0));
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row(0))),
                                _mm_loadu_ps(row(4)), 1);
}
#endif

static inline int append(float* out, V v, Mask m) { return append((uint32_t*)out, (I)v, m); }
static inline V magnitude(V a) { return (V)((I)a & spread(0x7FFFFFFF)); }
static inline V larger(V a, V b) { return a > b ? a : b; }
static inline V smaller(V a, V b) { return a < b ? a : b; }

static inline V length(V x, V y) { return root(x * x + y * y); }

static inline V exponential(V x) {  // as hitgraph.kernels.scalars.exp
    I power = __builtin_convertvector(x * (float)(1 / M_LN2) + 128.5f, I) - 128;
    V r = x - __builtin_convertvector(power, V) * (float)M_LN2;
    V s = 1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720));
    return (1.0f + r * (1.0f + r * (0.5f + r * (1.0f / 6 + r * s)))) * (V)((power + 127) << 23);
}

template <int STEP, int... K>
static inline void swap_blocks(V& a, V& b, std::integer_sequence<int, K...>) {
    V above = __builtin_shufflevector(a, b, (K & STEP ? L + K - STEP : K)...);
    b = __builtin_shufflevector(a, b, (K & STEP ? L + K : K + STEP)...);
    a = above;
}

template <int W, int STEP>
static inline void transpose(V* lines) {
    if constexpr (STEP > 0) {
#pragma GCC unroll 16
        for (int r = 0; r < W; ++r)
            if (!(r & STEP))
                swap_blocks<STEP>(lines[r], lines[r + STEP], std::make_integer_sequence<int, L>());
        transpose<W, STEP / 2>(lines);
    }
}

// columns[c] = table[rows[k], c] of L rows
template <int WIDTH>
static inline void take_rows(V* columns, const float* table, const uint32_t* rows) {
    constexpr int W = std::min(WIDTH, L);
#pragma GCC unroll 2
    for (int half = 0; half < WIDTH; half += W) {
#pragma GCC unroll 16
        for (int r = 0; r < W; ++r)
            columns[half + r] = rows_of<W>(table + half, rows + r, WIDTH);
        transpose<W, W / 2>(columns + half);
    }
}

// out[r, j] = start[r][j] + sum over k < n of a[r, k] b[k, j], for ROWS x 2 L numbers
template <bool RELU, class Start>
static inline void tile(float* out, int out_row, Start start, const float* a, int a_row,
                        const float* b, int b_row, int n) {
    V sums[ROWS][2];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) sums[r][0] = start(r, 0), sums[r][1] = start(r, L);
    for (int k = 0; k < n; ++k) {
        V b0 = load(b + k * b_row), b1 = load(b + k * b_row + L);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; ++r) {
            V number = spread(a[r * a_row + k]);
            sums[r][0] += number * b0, sums[r][1] += number * b1;
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) {
            V sum = sums[r][v];
            store(out + r * out_row + v * L, RELU ? larger(sum, V{}) : sum);
        }
}
