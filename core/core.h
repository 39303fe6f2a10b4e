/* Index of core's public headers. */
#ifndef CN_CORE_CORE_H
#define CN_CORE_CORE_H
#include "build_info.h"
#include "class.h"
#include "error.h"
#include "options.h"
#include "random.h"
#include "state.h"
#include "types.h"
#endif
