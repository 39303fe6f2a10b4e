/* Event files. Formats: TFRecord (length, masked crc32c of it, data, masked crc32c of them) and the messages Event, Summary, HistogramProto and GraphDef of
 * TensorFlow, of which the fields used here are numbered below. */
#include "events_private.h"
#include <time.h>
#include "config_private.h"

enum { EVENT_WALL_TIME = 1, EVENT_STEP, EVENT_VERSION, EVENT_GRAPH, EVENT_SUMMARY };
enum { SUMMARY_VALUE = 1 };
enum { VALUE_TAG = 1, VALUE_NUMBER = 2, VALUE_HISTOGRAM = 5 };
enum { HISTOGRAM_MIN = 1, HISTOGRAM_MAX, HISTOGRAM_COUNT, HISTOGRAM_SUM, HISTOGRAM_SQUARES, HISTOGRAM_LIMITS, HISTOGRAM_BUCKETS };
enum { GRAPH_NODE = 1, GRAPH_VERSIONS = 4, VERSIONS_PRODUCER = 1, NODE_NAME = 1, NODE_OPERATION, NODE_INPUT };
enum { VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 5 }; /* kinds of fields */
#define BUCKETS 30

/* ---- messages ---- */
static void put_varint(cni_text *t, uint64_t v) {
  unsigned char bytes[10];
  size_t n = 0;
  for (; v >= 128; v >>= 7) bytes[n++] = (unsigned char)(v | 128);
  bytes[n++] = (unsigned char)v;
  cni_text_put(t, bytes, n);
}
static void put_key(cni_text *t, int field, unsigned kind) { put_varint(t, (uint64_t)field << 3 | kind); }

void cni_proto_int(cni_text *t, int field, uint64_t v) {
  put_key(t, field, VARINT);
  put_varint(t, v);
}
void cni_proto_double(cni_text *t, int field, double v) {
  put_key(t, field, EIGHT_BYTES);
  cni_text_put(t, &v, sizeof v);
}
void cni_proto_float(cni_text *t, int field, float v) {
  put_key(t, field, FOUR_BYTES);
  cni_text_put(t, &v, sizeof v);
}
void cni_proto_bytes(cni_text *t, int field, const void *bytes, size_t n) {
  put_key(t, field, LENGTH);
  put_varint(t, n);
  cni_text_put(t, bytes, n);
}
void cni_proto_message(cni_text *t, int field, cni_text *inner) {
  cni_proto_bytes(t, field, inner->p, inner->size);
  *inner = (cni_text){ .g = t->g };
}

/* ---- records ---- */
/* CRC-32C (Castagnoli), four bits at a time. */
static uint32_t crc32c(const void *data, size_t n) {
  static const uint32_t of[16] = { 0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                   0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75 };
  uint32_t c = 0xffffffff;
  for (const unsigned char *p = data, *end = p + n; p < end; p++) {
    c ^= *p;
    c = c >> 4 ^ of[c & 15];
    c = c >> 4 ^ of[c & 15];
  }
  return ~c;
}
static uint32_t masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

/* One event. */
static void put_record(cni_events *e, cni_text *event) {
  const uint64_t length = (uint64_t)event->size;
  const uint32_t crc_length = masked(crc32c(&length, sizeof length)), crc_data = masked(crc32c(event->p, event->size));
  cni_text_put(&e->records, &length, sizeof length);
  cni_text_put(&e->records, &crc_length, sizeof crc_length);
  cni_text_put(&e->records, event->p, event->size);
  cni_text_put(&e->records, &crc_data, sizeof crc_data);
}

void cni_events_begin(cni_events *e, cn_graph *g) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  *e = (cni_events){ .records = { .g = g }, .wall_time = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec };
}

static cni_text event_of(const cni_events *e, int64_t step) {
  cni_text event = { .g = e->records.g };
  cni_proto_double(&event, EVENT_WALL_TIME, e->wall_time);
  if (step) cni_proto_int(&event, EVENT_STEP, (uint64_t)step);
  return event;
}

void cni_events_version(cni_events *e) {
  cni_text event = event_of(e, 0);
  cni_proto_text(&event, EVENT_VERSION, "brain.Event:2");
  put_record(e, &event);
}

static void put_value(cni_events *e, int64_t step, cni_text *value) {
  cni_text event = event_of(e, step), summary = { .g = e->records.g };
  cni_proto_message(&summary, SUMMARY_VALUE, value);
  cni_proto_message(&event, EVENT_SUMMARY, &summary);
  put_record(e, &event);
}

static void put_tag(cni_text *value, const char *prefix, const char *name) {
  cni_text tag = { .g = value->g };
  cni_text_add(&tag, prefix);
  cni_text_add(&tag, name);
  cni_proto_message(value, VALUE_TAG, &tag);
}

void cni_events_scalar(cni_events *e, int64_t step, const char *prefix, const char *name, double v) {
  cni_text value = { .g = e->records.g };
  put_tag(&value, prefix, name);
  cni_proto_float(&value, VALUE_NUMBER, (float)v);
  put_value(e, step, &value);
}

/* ---- histograms ---- */
typedef struct spread { double min, max, count, sum, squares; } spread;
static spread spread_of(const cn_tensor *t) {
  spread s = { INFINITY, -INFINITY, 0, 0, 0 };
  for (int64_t i = 0; i < t->count; i++) {
    const double v = cni_value_at(t, i);
    if (!isfinite(v)) continue;
    s = (spread){ fmin(s.min, v), fmax(s.max, v), s.count + 1, s.sum + v, s.squares + v * v };
  }
  return s;
}

void cni_events_histogram(cni_events *e, int64_t step, const char *tag, const cn_tensor *t) {
  const spread s = spread_of(t);
  const double width = (s.max - s.min) / BUCKETS;
  double limits[BUCKETS], counts[BUCKETS] = { 0 };
  cni_text value = { .g = e->records.g }, histogram = value;
  if (!(s.count > 0)) return;
  for (int i = 0; i < BUCKETS; i++) limits[i] = i < BUCKETS - 1 ? s.min + width * (i + 1) : s.max;
  for (int64_t i = 0; i < t->count; i++) {
    const double v = cni_value_at(t, i);
    if (isfinite(v)) counts[width > 0 ? (int)fmin((v - s.min) / width, BUCKETS - 1) : BUCKETS - 1]++;
  }
  const double heads[] = { s.min, s.max, s.count, s.sum, s.squares };
  for (int i = 0; i < 5; i++) cni_proto_double(&histogram, HISTOGRAM_MIN + i, heads[i]);
  cni_proto_bytes(&histogram, HISTOGRAM_LIMITS, limits, sizeof limits);
  cni_proto_bytes(&histogram, HISTOGRAM_BUCKETS, counts, sizeof counts);
  put_tag(&value, tag, "/histogram");
  cni_proto_message(&value, VALUE_HISTOGRAM, &histogram);
  put_value(e, step, &value);
}

/* ---- graphs ---- */
/* Names begin with the model's: TensorBoard folds them up. */
static void put_name(cni_text *node, int field, const cn_model *m, const char *name) {
  cni_text text = { .g = node->g };
  cni_text_add(&text, m->base.name);
  cni_text_add(&text, "/");
  cni_text_add(&text, name);
  cni_proto_message(node, field, &text);
}

static void put_chain(cni_text *graph, const cn_model *m) {
  for (int64_t k = 0; k < m->base.layers_count; k++) {
    const cn_layer *l = m->base.layers[k];
    cni_text node = { .g = graph->g };
    put_name(&node, NODE_NAME, m, l->name);
    cni_proto_text(&node, NODE_OPERATION, l->object.cls->schema.name);
    if (k) put_name(&node, NODE_INPUT, m, m->base.layers[k - 1]->name);
    cni_proto_message(graph, GRAPH_NODE, &node);
  }
}

static void put_parts(cni_text *graph, const cn_model *m) {
  const cni_program *p = m->program;
  char class_name[128];
  for (int64_t k = 0; k < p->parts_count; k++) {
    const cni_part *part = &p->parts[k];
    cni_text node = { .g = graph->g };
    if (!part->layer) cni_graph_class_name(part->node, class_name, sizeof class_name);
    put_name(&node, NODE_NAME, m, part->name);
    cni_proto_text(&node, NODE_OPERATION, part->layer ? part->layer->object.cls->schema.name : class_name);
    for (int64_t s = 0; s < p->steps_count; s++)
      for (int32_t i = 0; p->steps[s].part == k && i < p->steps[s].feeds_count; i++)
        put_name(&node, NODE_INPUT, m, p->parts[cni_part_of(p, p->steps[s].feeds[i].value)].name);
    cni_proto_message(graph, GRAPH_NODE, &node);
  }
}

void cni_events_graph(cni_events *e, cn_model *m) {
  cni_text event = event_of(e, 0), graph = { .g = e->records.g }, versions = graph;
  if (m->program) put_parts(&graph, m);
  else put_chain(&graph, m);
  cni_proto_int(&versions, VERSIONS_PRODUCER, 22);
  cni_proto_message(&graph, GRAPH_VERSIONS, &versions);
  cni_proto_message(&event, EVENT_GRAPH, &graph);
  put_record(e, &event);
}
