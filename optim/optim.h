/* Index of optim's public headers. */
#ifndef CN_OPTIM_OPTIM_H
#define CN_OPTIM_OPTIM_H
#include "lbfgs.h"
#include "optimizer.h"
#include "optimizers.h"
#include "schedule.h"
#endif
