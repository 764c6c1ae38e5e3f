/* The cross-entropy of logits and its gradient at once: each number is read once from memory and written once. */

#include <math.h>
#include <string.h>
#include "vectors.h"

INLINE float whole_float(float x) { return x; }
INLINE float from_bfloat(bfloat x) {
    union { uint32_t bits; float number; } both = {(uint32_t)x << 16};
    return both.number;
}
INLINE bfloat to_bfloat(float x) {
    bfloat row[LANES];
    store_bfloat(row, splat(x));
    return row[0];
}

#define REAL float
#define NAME(name) name##_float
#define GET load
#define PUT store
#define ONE whole_float
#define BACK whole_float
#include "softmax.h"

#undef REAL
#undef NAME
#undef GET
#undef PUT
#undef ONE
#undef BACK
#define REAL bfloat
#define NAME(name) name##_bfloat16
#define GET load_bfloat
#define PUT store_bfloat
#define ONE from_bfloat
#define BACK to_bfloat
#include "softmax.h"
