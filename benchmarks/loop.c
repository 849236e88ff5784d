/* The fused loop of src/clew/kernels/learning/rollouts.py in C: what a compiler makes of it without Python in the way.

   Episodes on an open grid, from the top left to the bottom right; one 64-bit draw a step; ties broken at random by a
   table; a byte of wall bits a cell; float32 values; a goal counts 0. Given the same streams it must learn the same
   bits as clew, so it does the same arithmetic, and is compiled without fused multiply-add:

       gcc -O3 -march=native -ffp-contract=off -o loop loop.c
       ./loop ROWS COLUMNS EPISODES MAX_STEPS STATE INCREMENT [STATE INCREMENT ...]

   Every stream is a lane. Lanes take turns, a step each, at one table, which hides the time that each waits for memory;
   a lane whose episode is over takes the next one that nobody has begun. A single lane plays one at a time.

   -DVECTORS has the maxima and ties of a row of values found four at once, by instructions that only x86 has.

   It knows no slip, hazards or moving goals, which clew's loop asks about at every step, and what became of an episode
   is not kept, but for the sum of the steps: the comparison favours C.
   Prints the number of steps, the loop's seconds of processor time, and the CRC-32 of the table. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef VECTORS
#include <immintrin.h>
#endif

enum { WALL_DOWN = 1, WALL_LEFT = 2, WALL_UP = 4, WALL_RIGHT = 8, GOAL = 16, IDLE = -1, MOST_LANES = 64 };

typedef struct {
    uint64_t state, increment; /* stream of draws */
    int64_t s, a, next, steps; /* state; the action chosen in it, or IDLE; where that leads; steps so far */
} Lane;

typedef struct {
    const uint8_t *cells;
    float (*q)[4];
    int64_t moves[4]; /* what each action adds to the number of the cell */
    int64_t max_steps;
    float alpha, gamma;
    uint64_t threshold; /* explores if the high half of a draw is below */
} World;

static uint8_t ties[16][12]; /* row m lists the actions of the bit mask m, each equally often */

static void fill_ties(void) {
    for (int mask = 1; mask < 16; mask++) {
        int actions[4], n = 0;
        for (int a = 0; a < 4; a++)
            if (mask >> a & 1) actions[n++] = a;
        for (int i = 0; i < 12; i++) ties[mask][i] = actions[i * n / 12];
    }
}

static uint8_t *open_grid(int64_t rows, int64_t columns) {
    uint8_t *cells = calloc(rows * columns, 1);
    for (int64_t row = 0; row < rows; row++) {
        cells[row * columns] |= WALL_LEFT;
        cells[row * columns + columns - 1] |= WALL_RIGHT;
    }
    for (int64_t column = 0; column < columns; column++) {
        cells[column] |= WALL_UP;
        cells[(rows - 1) * columns + column] |= WALL_DOWN;
    }
    cells[rows * columns - 1] |= GOAL;
    return cells;
}

static inline uint64_t next_bits(Lane *lane) { /* SplitMix64 */
    uint64_t z = lane->state += lane->increment;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* A row of values, its greatest, and the bit mask of where that is. */
#ifdef VECTORS
typedef __m128 Row;
static inline Row load(const float *values) { return _mm_loadu_ps(values); }
static inline float greatest(Row row) {
    __m128 half = _mm_max_ps(row, _mm_movehl_ps(row, row));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_shuffle_ps(half, half, 1)));
}
static inline int where(Row row, float best) { return _mm_movemask_ps(_mm_cmpeq_ps(row, _mm_set1_ps(best))); }
#else
typedef struct {
    float down, left, up, right;
} Row;
static inline Row load(const float *values) { return (Row){values[0], values[1], values[2], values[3]}; }
static inline float larger(float a, float b) { return a > b ? a : b; }
static inline float greatest(Row row) { return larger(larger(row.down, row.up), larger(row.left, row.right)); }
static inline int where(Row row, float best) {
    return (row.down == best) | (row.left == best) << 1 | (row.up == best) << 2 | (row.right == best) << 3;
}
#endif

static inline int64_t epsilon_greedy(Row row, float best, const World *world, Lane *lane) {
    uint64_t bits = next_bits(lane);
    int mask = where(row, best);
    if (bits >> 32 < world->threshold) mask = 15;
    return ties[mask][(bits & 0xFFFFFFFFu) * 12 >> 32];
}

static inline void aim(const World *world, Lane *lane) {
    int is_stopped = world->cells[lane->s] >> lane->a & 1;
    lane->next = is_stopped ? lane->s : lane->s + world->moves[lane->a];
}

static inline void begin_episode(const World *world, Lane *lane) {
    Row row = load(world->q[0]);
    lane->s = lane->steps = 0;
    lane->a = epsilon_greedy(row, greatest(row), world, lane);
    aim(world, lane);
}

/* One step of a lane, and the choice of the next; returns 1 if it ended the episode. */
static inline int step(const World *world, Lane *lane) {
    int64_t s = lane->s, a = lane->a, next = lane->next;
    float *value = &world->q[s][a];
    int terminated = (world->cells[next] & GOAL) != 0;
    lane->steps++;
    if (__builtin_expect(terminated, 0)) {
        *value += world->alpha * (1.0f - *value);
        return 1;
    }
    Row row = load(world->q[next]);
    float best = greatest(row), moved = *value + world->alpha * (world->gamma * best - *value);
    if (__builtin_expect(lane->steps == world->max_steps, 0)) {
        *value = moved;
        return 1;
    }
    lane->s = next;
    if (next != s) { /* the row can't be changed by the update, so the choice needn't wait for it */
        lane->a = epsilon_greedy(row, best, world, lane);
        *value = moved;
    } else {
        *value = moved;
        row = load(world->q[s]);
        lane->a = epsilon_greedy(row, greatest(row), world, lane);
    }
    aim(world, lane);
    return 0;
}

/* Play all episodes; returns the number of steps. Always inlined: a constant number of lanes makes a loop of its own. */
static inline __attribute__((always_inline)) int64_t learn(World world, Lane *lanes, int num_lanes, int64_t episodes) {
    int64_t num_steps = 0, begun = 0;
    int playing = 0;
    for (int k = 0; k < num_lanes; k++) {
        lanes[k].a = IDLE;
        if (begun < episodes) {
            begin_episode(&world, &lanes[k]);
            begun++;
            playing++;
        }
    }
    while (playing > 0) {
        for (int k = 0; k < num_lanes; k++) {
            if (lanes[k].a == IDLE || !step(&world, &lanes[k])) continue;
            num_steps += lanes[k].steps;
            if (begun < episodes) {
                begin_episode(&world, &lanes[k]);
                begun++;
            } else {
                lanes[k].a = IDLE;
                playing--;
            }
        }
    }
    return num_steps;
}

static uint32_t crc32(const uint8_t *bytes, int64_t n) { /* as zlib's */
    uint32_t crc = 0xFFFFFFFFu;
    for (int64_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
}

int main(int argc, char **argv) {
    int num_lanes = (argc - 5) / 2;
    if (argc < 7 || argc % 2 == 0 || num_lanes > MOST_LANES) {
        fprintf(stderr, "usage: %s ROWS COLUMNS EPISODES MAX_STEPS STATE INCREMENT ...\n", argv[0]);
        return 2;
    }
    int64_t rows = atoll(argv[1]), columns = atoll(argv[2]), episodes = atoll(argv[3]);
    Lane lanes[MOST_LANES];
    for (int k = 0; k < num_lanes; k++) {
        lanes[k].state = strtoull(argv[5 + 2 * k], NULL, 10);
        lanes[k].increment = strtoull(argv[6 + 2 * k], NULL, 10);
    }
    World world = {.cells = open_grid(rows, columns),
                   .q = calloc(rows * columns, sizeof *world.q),
                   .moves = {columns, -1, -columns, 1},
                   .max_steps = atoll(argv[4]),
                   .alpha = 0.1f,
                   .gamma = 0.9f,
                   .threshold = (uint64_t)ceil(0.1 * 4294967296.0)};
    fill_ties();
    double begun = now();
    int64_t steps = num_lanes == 1   ? learn(world, lanes, 1, episodes)
                    : num_lanes == 8 ? learn(world, lanes, 8, episodes)
                                     : learn(world, lanes, num_lanes, episodes);
    double seconds = now() - begun;
    printf("%lld %.9f %u\n", (long long)steps, seconds, (unsigned)crc32((uint8_t *)world.q, rows * columns * 16));
    return 0;
}
