/* Index of autograd's public headers. */
#ifndef CN_AUTOGRAD_AUTOGRAD_H
#define CN_AUTOGRAD_AUTOGRAD_H
#include "control.h"
#include "engine.h"
#include "explain.h"
#include "gradcheck.h"
#include "graph.h"
#include "higher.h"
#include "op.h"
#include "ops.h"
#include "parameter.h"
#include "profile.h"
#include "segment.h"
#include "tensor.h"
#endif
