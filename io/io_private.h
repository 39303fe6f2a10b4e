/* What readers and writers share. */
#ifndef CN_IO_IO_PRIVATE_H
#define CN_IO_IO_PRIVATE_H
#include <stdio.h>
#include "../core/context_private.h"
#include "array.h"

/* The last part of a path, for messages. */
const char *cni_file_name(const char *path);
/* 1234567 as "1,234,567"; returns text. */
const char *cni_thousands(uint64_t v, char *text, size_t size);
/* Reads a whole file into memory from cni_alloc (one byte longer, zero). NULL after an error that begins with `what`. */
unsigned char *cni_read_file(cn_graph *g, const char *what, const char *path, size_t *size);
/* A file that replaces `path` only when it is complete: written beside it, flushed, renamed. */
typedef struct cni_new_file { FILE *f; char temporary[4096]; const char *path; } cni_new_file;
bool cni_new_file_open(cn_graph *g, const char *what, const char *path, cni_new_file *n);
bool cni_new_file_close(cn_graph *g, const char *what, cni_new_file *n, bool ok); /* not ok: the temporary file is removed */

#endif
