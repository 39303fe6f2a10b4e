/* Which nodes lie between a model's inputs and outputs, and in which order: Keras' map_graph. The depth of a node is its longest way to an output; a layer's is
 * that of its deepest call. Layers and bare operations stand in order of depth, those of one depth in the order in which a walk back from the outputs meets
 * them; weights follow the layers. */
#include <stdlib.h>
#include "program_private.h"

/* A node that was met, or an input (node NULL where the tensor comes from within a graph). */
typedef struct item { cn_node *node; int32_t input, part; int64_t depth, turn; } item;
typedef struct frame { cn_node *node; int32_t next; } frame;
typedef struct walker {
  cn_graph *g;
  cni_program *p;
  uint32_t walk;
  item *items;              /* each after those that it depends on */
  cni_part *parts;
  frame *stack;
  int32_t *of_input;        /* item of an input, -1: not met */
  int64_t items_count, items_capacity, parts_count, parts_capacity, stack_count, stack_capacity;
} walker;
/* While a walk lasts: tensor->sweep == walk marks the model's inputs, tensor->uses is the input's number; node->sweep == walk marks nodes that were met,
 * node->dependent is the item's number plus 1, 0 in progress. */

static bool room(walker *w, void *array, int64_t count, int64_t *capacity, size_t size) {
  return count < *capacity || cni_grow(w->g, (void **)array, count, capacity, size);
}

/* The part of a node or an input, made where it is new; -1: no memory. */
static int32_t part_of(walker *w, cn_node *n, int32_t input) {
  cn_layer *l = n ? n->symbol->layer : NULL;
  if (l && l->walk == w->walk) return l->place;
  if (!room(w, &w->parts, w->parts_count, &w->parts_capacity, sizeof *w->parts)) return -1;
  const int32_t k = (int32_t)w->parts_count++;
  w->parts[k] = (cni_part){ .name = n ? n->symbol->name : NULL, .layer = l, .node = n, .index = k, .input = input };
  if (l) l->walk = w->walk, l->place = k;
  return k;
}

static bool finish_item(walker *w, cn_node *n, int32_t input, int32_t part) {
  if (part < 0 || !room(w, &w->items, w->items_count, &w->items_capacity, sizeof *w->items)) return false;
  w->items[w->items_count++] = (item){ n, input, part, 0, 0 };
  if (n) n->dependent = (uint32_t)w->items_count;
  return true;
}

static bool is_input_node(const cn_node *n) { return n->symbol->layer && n->symbol->layer->object.cls == &cn_class_InputLayer; }
static bool counts(const cn_tensor *t) { return t && cni_given(t) && (t->flags & CNI_SYMBOLIC); }

/* An input of the model, met on the way back. */
static bool meet_input(walker *w, cn_tensor *t) {
  const int32_t i = t->uses;
  if (w->of_input[i] >= 0) return true;
  cn_node *n = t->node && is_input_node(t->node) ? t->node : NULL;
  const int32_t part = part_of(w, n, i);
  if (!finish_item(w, n, i, part)) return false;
  w->of_input[i] = (int32_t)w->items_count - 1;
  if (n) n->sweep = w->walk;
  return true;
}

/* Visits what made t, or pushes it. */
static bool meet(walker *w, cn_tensor *t) {
  cn_graph *g = w->g;
  if (!counts(t)) return true;
  if (!cni_alive(g, t)) return cn_fail(g, CN_STATE, "Model: a tensor of the graph has been freed"), false;
  if (t->sweep == w->walk) return meet_input(w, t);
  cn_node *n = t->node;
  if (!n || !n->symbol)
    return cn_fail(g, CN_VALUE, "Model: an output depends on a symbolic tensor that no layer or operation made, and that is none of the inputs"), false;
  if (n->sweep == w->walk) return true;
  if (is_input_node(n)) return cn_fail(g, CN_VALUE, "Model: the outputs depend on the input \"%s\", which is none of the inputs given", n->symbol->name), false;
  n->sweep = w->walk;
  n->dependent = 0;
  if (part_of(w, n, -1) < 0 || !room(w, &w->stack, w->stack_count, &w->stack_capacity, sizeof *w->stack)) return false;
  if (!n->symbol->layer) n->symbol->part = (int32_t)w->parts_count - 1;
  w->stack[w->stack_count++] = (frame){ n, 0 };
  return true;
}

static bool walk_back(walker *w, cn_tensor *output) {
  if (!meet(w, output)) return false;
  while (w->stack_count) {
    frame *f = &w->stack[w->stack_count - 1];
    const int64_t inputs = f->node->nx + f->node->symbol->sizes_count;
    if (f->next < inputs) {
      const int32_t i = f->next++;
      if (!meet(w, i < f->node->nx ? f->node->x[i] : f->node->symbol->sizes[i - f->node->nx])) return false;
      continue;
    }
    cn_node *n = f->node;
    w->stack_count--;
    if (!finish_item(w, n, -1, n->symbol->layer ? n->symbol->layer->place : n->symbol->part)) return false;
  }
  return true;
}

static item *item_of(const walker *w, const cn_tensor *t) {
  if (!counts(t)) return NULL;
  if (t->sweep == w->walk) return w->of_input[t->uses] < 0 ? NULL : &w->items[w->of_input[t->uses]];
  return &w->items[t->node->dependent - 1];
}

/* Nodes of one depth run in the order in which the walk over the depths meets them. */
static void take_turn(item *i, int64_t *turns) {
  if (!i->turn) i->turn = ++*turns;
}
static void deepen(const walker *w, const cn_tensor *t, int64_t depth, int64_t *turns) {
  item *i = item_of(w, t);
  if (!i) return;
  take_turn(i, turns);
  if (i->depth < depth) i->depth = depth;
}

static void find_depths(walker *w) {
  int64_t turns = 0;
  for (int64_t k = w->items_count; k-- > 0;) {
    item *i = &w->items[k];
    take_turn(i, &turns);
    cni_part *part = &w->parts[i->part];
    if (part->depth > i->depth) i->depth = part->depth;
    part->depth = i->depth;
    for (int32_t j = 0; i->input < 0 && j < i->node->nx; j++) deepen(w, i->node->x[j], i->depth + 1, &turns);
    for (int64_t j = 0; i->input < 0 && j < i->node->symbol->sizes_count; j++) deepen(w, i->node->symbol->sizes[j], i->depth + 1, &turns);
  }
}

static int by_depth(const void *a, const void *b) {
  const cni_part *p = a, *q = b;
  if (p->depth != q->depth) return p->depth > q->depth ? -1 : 1;
  return p->index < q->index ? -1 : p->index > q->index;
}
static int by_turn(const void *a, const void *b) {
  const cni_stage *p = a, *q = b;
  if (p->depth != q->depth) return p->depth > q->depth ? -1 : 1;
  return p->turn < q->turn ? -1 : p->turn > q->turn;
}

/* The substitute for a tensor from within a graph: an input of its shape. */
static bool add_inputs(walker *w) {
  for (int64_t i = 0; i < w->p->inputs_count; i++) { /* those that no output needs */
    cn_tensor *t = w->p->inputs[i];
    if (w->of_input[i] >= 0) continue;
    if (!meet_input(w, t)) return false;
    w->parts[w->items[w->of_input[i]].part].index = -1;
  }
  for (int64_t k = 0; k < w->parts_count; k++) {
    cni_part *part = &w->parts[k];
    if (part->input < 0 || part->layer) continue;
    const cn_tensor *t = w->p->inputs[part->input];
    cn_InputLayerOptions o;
    cn_InputLayerOptions_init(&o, sizeof o);
    int64_t sizes[CN_MAX_RANK];
    for (int d = 0; d < t->dims.rank; d++) sizes[d] = t->dims.d[d] == CN_UNKNOWN ? CN_NONE : t->dims.d[d];
    o.graph = w->g;
    o.batch_shape = (cn_ints){ sizes, t->dims.rank };
    o.dtype = cn_dtype_name((cn_dtype)t->dtype);
    if (!(part->layer = cn_make_InputLayer(&o))) return false;
    part->name = part->layer->name;
  }
  return true;
}

static bool names_differ(walker *w) {
  cni_map names = { NULL, 0, 0 };
  bool ok = true;
  for (int64_t k = 0; k < w->parts_count && ok; k++) {
    const char *name = w->parts[k].name;
    if (cni_map_get(&names, name)) ok = cn_fail(w->g, CN_VALUE, "Model: two layers or operations are named \"%s\"", name) == CN_OK;
    else ok = cni_map_put(w->g, &names, name, &w->parts[k]);
  }
  cni_map_free(w->g, &names);
  return ok;
}

/* Moves parts and the nodes that run into the program. */
static bool take_over(walker *w) {
  cni_program *p = w->p;
  cn_graph *g = w->g;
  int32_t *moved = cni_arena_take(g, &p->arena, (size_t)(w->parts_count + 1) * sizeof *moved);
  p->parts = cni_arena_take(g, &p->arena, (size_t)(w->parts_count + 1) * sizeof *p->parts);
  p->steps = cni_arena_take(g, &p->arena, (size_t)(w->items_count + 1) * sizeof *p->steps);
  if (!moved || !p->parts || !p->steps) return false;
  for (int64_t k = 0; k < w->parts_count; k++) w->parts[k].calls = (int32_t)k;
  qsort(w->parts, (size_t)w->parts_count, sizeof *w->parts, by_depth);
  for (int64_t k = 0; k < w->parts_count; k++) {
    moved[w->parts[k].calls] = (int32_t)k;
    p->parts[k] = w->parts[k];
    p->parts[k].calls = 0;
  }
  p->parts_count = w->parts_count;
  for (int64_t k = 0; k < w->items_count; k++)
    if (w->items[k].input < 0)
      p->steps[p->steps_count++] =
          (cni_stage){ .node = w->items[k].node, .part = moved[w->items[k].part], .depth = w->items[k].depth, .turn = w->items[k].turn };
    else p->parts[moved[w->items[k].part]].calls = 1;
  qsort(p->steps, (size_t)p->steps_count, sizeof *p->steps, by_turn);
  return true;
}

/* A layer's calls are numbered in the order in which they were made. */
static int by_id(const void *a, const void *b) {
  const cni_stage *p = *(cni_stage *const *)a, *q = *(cni_stage *const *)b;
  return p->node->id < q->node->id ? -1 : p->node->id > q->node->id;
}
static bool number_calls(walker *w) {
  cni_program *p = w->p;
  cni_stage **s = cni_arena_take(w->g, &p->arena, (size_t)(p->steps_count + 1) * sizeof *s);
  if (!s) return false;
  for (int64_t k = 0; k < p->steps_count; k++) s[k] = &p->steps[k];
  qsort(s, (size_t)p->steps_count, sizeof *s, by_id);
  for (int64_t k = 0; k < p->steps_count; k++) s[k]->call = p->parts[s[k]->part].calls++;
  return true;
}

bool cni_program_order(cn_graph *g, cni_program *p, uint32_t walk) {
  walker w = { .g = g, .p = p, .walk = walk };
  w.of_input = cni_alloc(g, (size_t)(p->inputs_count + 1) * sizeof *w.of_input);
  bool ok = w.of_input != NULL;
  for (int64_t i = 0; ok && i < p->inputs_count; i++) w.of_input[i] = -1;
  for (int64_t i = 0; ok && i < p->outputs_count; i++) ok = walk_back(&w, p->outputs[i]);
  if (ok) find_depths(&w);
  ok = ok && add_inputs(&w) && names_differ(&w) && take_over(&w) && number_calls(&w);
  cni_free(g, w.of_input);
  cni_free(g, w.items);
  cni_free(g, w.parts);
  cni_free(g, w.stack);
  return ok && cn_ok(g);
}
