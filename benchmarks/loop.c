/* The fused loop of src/clew/kernels/rollouts.py in C: what a compiler makes of it without Python in the way.

   One stream of episodes on an open grid, from the top left to the bottom right; one 64-bit draw a step; ties broken at
   random by a table; a byte of wall bits a cell; float32 values; a goal counts 0. Given the same stream it must learn
   the same bits as clew, so it does the same arithmetic in the same order, and is compiled without fused multiply-add:

       gcc -O3 -march=native -ffp-contract=off -o loop loop.c
       ./loop ROWS COLUMNS EPISODES STATE INCREMENT

   It knows no slip, hazards or moving goals, which clew's loop asks about at every step: the comparison favours C.
   Prints the number of steps, the loop's seconds of processor time, and the CRC-32 of the table. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { WALL_DOWN = 1, WALL_LEFT = 2, WALL_UP = 4, WALL_RIGHT = 8, GOAL = 16 };

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

static inline uint64_t next_bits(uint64_t stream[2]) { /* SplitMix64 */
    uint64_t z = stream[0] += stream[1];
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static inline float larger(float a, float b) { return a > b ? a : b; }

static inline float greatest(const float *row) { return larger(larger(row[0], row[1]), larger(row[2], row[3])); }

static inline int64_t epsilon_greedy(const float *row, double epsilon, uint64_t stream[2]) {
    uint64_t bits = next_bits(stream);
    float best = larger(larger(row[0], row[2]), larger(row[1], row[3]));
    int mask = (row[0] == best) | (row[1] == best) << 1 | (row[2] == best) << 2 | (row[3] == best) << 3;
    if ((double)(bits >> 32) < epsilon * 4294967296.0) mask = 15;
    return ties[mask][(bits & 0xFFFFFFFFu) * 12 >> 32];
}

static int64_t learn(const uint8_t *cells, int64_t columns, float *q, int64_t episodes, int64_t max_steps, float alpha,
                     float gamma, double epsilon, uint64_t stream[2]) {
    int64_t num_steps = 0;
    for (int64_t episode = 0; episode < episodes; episode++) {
        int64_t s = 0, steps = 0;
        int terminated = 0;
        while (!terminated && steps < max_steps) {
            int64_t a = epsilon_greedy(q + 4 * s, epsilon, stream);
            int64_t next = s;
            if (!(cells[s] >> a & 1)) next = a & 1 ? s + a - 2 : s + (1 - a) * columns;
            terminated = (cells[next] & GOAL) != 0;
            float target = terminated ? 1.0f : 0.0f;
            if (!terminated) target += gamma * greatest(q + 4 * next);
            q[4 * s + a] += alpha * (target - q[4 * s + a]);
            s = next;
            steps++;
        }
        num_steps += steps;
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
    if (argc != 6) {
        fprintf(stderr, "usage: %s ROWS COLUMNS EPISODES STATE INCREMENT\n", argv[0]);
        return 2;
    }
    int64_t rows = atoll(argv[1]), columns = atoll(argv[2]), episodes = atoll(argv[3]);
    uint64_t stream[2] = {strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10)};
    uint8_t *cells = open_grid(rows, columns);
    float *q = calloc(rows * columns * 4, sizeof *q);
    fill_ties();
    double begun = now();
    int64_t steps = learn(cells, columns, q, episodes, 100 * rows * columns, 0.1f, 0.9f, 0.1, stream);
    double seconds = now() - begun;
    printf("%lld %.9f %u\n", (long long)steps, seconds, (unsigned)crc32((uint8_t *)q, rows * columns * 16));
    return 0;
}
