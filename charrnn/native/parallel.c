/* What a block of a parallel recurrence does beside its matrix products, each in one pass over memory: adding what the
   block before it gave, normalising, pairing with the place before; and the recurrence itself with its gates.

   T time steps, B rows, H units, a multiple of LANES; all arrays lie [T, B, ...]. The functions exist for numbers
   in float and in bfloat16 (`REAL`); sums, states and the residual stream are float in both. */

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
