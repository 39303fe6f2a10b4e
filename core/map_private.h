/* A table from texts to pointers: for names, where searching a list would make work grow with the square of their number. */
#ifndef CN_CORE_MAP_PRIVATE_H
#define CN_CORE_MAP_PRIVATE_H
#include "context_private.h"

typedef struct cni_map { struct cni_map_entry { const char *key; void *value; } *entries; size_t capacity, count; } cni_map;
bool cni_map_put(cn_graph *g, cni_map *m, const char *key,
                 void *value); /* the key's text must stay; a key that is there gets the new value. False: no memory */
void *cni_map_get(const cni_map *m, const char *key);                    /* NULL if there is none */
void cni_map_free(cn_graph *g, cni_map *m);

#endif
