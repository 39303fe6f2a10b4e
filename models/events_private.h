/* Event files of TensorBoard: messages of Protocol Buffers in records with checksums (TFRecord). */
#ifndef CN_MODELS_EVENTS_PRIVATE_H
#define CN_MODELS_EVENTS_PRIVATE_H
#include "callback_private.h"

/* Fields of a message, appended to it. */
void cni_proto_int(cni_text *message, int field, uint64_t v);
void cni_proto_double(cni_text *message, int field, double v);
void cni_proto_float(cni_text *message, int field, float v);
void cni_proto_bytes(cni_text *message, int field, const void *bytes, size_t n);
static inline void cni_proto_text(cni_text *message, int field, const char *text) { cni_proto_bytes(message, field, text, strlen(text)); }
/* Appends a message as a field and empties it. */
void cni_proto_message(cni_text *message, int field, cni_text *inner);

/* Records of an event file, to be written together. */
typedef struct cni_events { cni_text records; double wall_time; } cni_events;
void cni_events_begin(cni_events *e, cn_graph *g);                                    /* now */
void cni_events_version(cni_events *e);                                               /* the first record of a file */
void cni_events_scalar(cni_events *e, int64_t step, const char *prefix, const char *name, double v);
void cni_events_histogram(cni_events *e, int64_t step, const char *tag, const cn_tensor *t); /* of its finite values */
void cni_events_graph(cni_events *e, cn_model *m);                                    /* its layers and operations, and what each takes from which */

#endif
