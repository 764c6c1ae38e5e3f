/* The operations of a block of minGRU or minLSTM beside its matrix products. There are two, each one pass over memory:
   adding the output of the block before, normalising and pairing with the place before; and the recurrence with its
   gates.

   T is the number of time steps, B of rows, H of units, a multiple of LANES. All arrays are [T, B, ...]. The functions
   exist for numbers in float and in bfloat16 (`REAL`); sums, states and the residual stream are float in both. */

#include <math.h>
#include <string.h>
#include "vectors.h"

#define REAL float
#define NAME(name) name##_float
#define GET load
#define PUT store
#include "parallel.h"

#undef REAL
#undef NAME
#undef GET
#undef PUT
#define REAL bfloat
#define NAME(name) name##_bfloat16
#define GET load_bfloat
#define PUT store_bfloat
#include "parallel.h"
