/* A window over a text file. */
#include <string.h>
#include "io_private.h"

#define CHUNK ((size_t)64 << 10)

bool cni_chunks_open(cni_chunks *c, cn_graph *g, const char *what, const char *path) {
  *c = (cni_chunks){ .open = false };
  if (!cni_input_open(&c->in, g, what, path, true)) return false;
  c->open = true;
  c->room = CHUNK;
  c->text = cni_alloc(g, c->room);
  return c->text && cni_chunks_more(c);
}

bool cni_chunks_more(cni_chunks *c) {
  const size_t left = c->end - c->begin;
  if (left && c->begin) memmove(c->text, c->text + c->begin, left);
  c->begin = 0;
  c->end = left;
  if (left + CHUNK / 2 > c->room) {
    char *more = cni_realloc(c->in.g, c->text, 2 * c->room);
    if (!more) return false;
    c->text = more;
    c->room *= 2;
  }
  const size_t got = cni_input_read(&c->in, c->text + left, c->room - 1 - left);
  c->end += got;
  c->text[c->end] = '\0';
  c->ended = c->end < c->room - 1;
  return cn_ok(c->in.g) && (!c->ended || cni_input_end(&c->in));
}

void cni_chunks_close(cni_chunks *c) {
  if (!c->open) return;
  cni_free(c->in.g, c->text);
  cni_input_close(&c->in);
  *c = (cni_chunks){ .open = false };
}
