#include "map_private.h"
#include <string.h>

/* FNV-1a */
static size_t hash(const char *key) {
  uint64_t h = 0xcbf29ce484222325u;
  for (; *key; key++) h = (h ^ (unsigned char)*key) * 0x100000001b3u;
  return (size_t)(h ^ h >> 32);
}

/* The key's entry, or the empty one where it belongs. The capacity is a power of 2 and never full. */
static struct cni_map_entry *find(const cni_map *m, const char *key) {
  size_t i = hash(key) & (m->capacity - 1);
  while (m->entries[i].key && strcmp(m->entries[i].key, key)) i = (i + 1) & (m->capacity - 1);
  return &m->entries[i];
}

static bool grow(cn_graph *g, cni_map *m) {
  cni_map larger = { .capacity = m->capacity ? 2 * m->capacity : 16, .count = m->count };
  larger.entries = cni_alloc(g, larger.capacity * sizeof *larger.entries);
  if (!larger.entries) return false;
  for (size_t i = 0; i < m->capacity; i++)
    if (m->entries[i].key) *find(&larger, m->entries[i].key) = m->entries[i];
  cni_free(g, m->entries);
  *m = larger;
  return true;
}

bool cni_map_put(cn_graph *g, cni_map *m, const char *key, void *value) {
  if (2 * (m->count + 1) > m->capacity && !grow(g, m)) return false;
  struct cni_map_entry *e = find(m, key);
  m->count += !e->key;
  *e = (struct cni_map_entry){ key, value };
  return true;
}
void *cni_map_get(const cni_map *m, const char *key) { return m->capacity ? find(m, key)->value : NULL; }
void cni_map_free(cn_graph *g, cni_map *m) {
  cni_free(g, m->entries);
  *m = (cni_map){ NULL, 0, 0 };
}
