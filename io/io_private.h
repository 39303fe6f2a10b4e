/* What readers and writers share. A reader's errors begin with its name and the file's: `read_idx: train-images.gz: ...`. */
#ifndef CN_IO_IO_PRIVATE_H
#define CN_IO_IO_PRIVATE_H
#include <stdio.h>
#include "../core/context_private.h"
#include "array.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files hold little-endian numbers, and memory must too"
#endif

/* array.c */
cn_named_array *cni_arrays_add(cn_graph *g, cn_arrays *a, const char *name, cn_dtype dtype, const cn_dims *dims, size_t bytes); /* `bytes` zeros as data */
/* Whether what a writer is handed can be written; reports what cannot. */
bool cni_arrays_check(cn_graph *g, const char *what, const char *path, const cn_arrays *a, bool strings);
size_t cni_array_bytes(const cn_named_array *v); /* of numbers */

/* input.c: the bytes of a file one after the other, inflated where it is compressed. */
typedef struct cni_input cni_input;
struct cni_input {
  cn_graph *g;
  const char *what, *name;   /* of the reader and of the file, for messages */
  uint64_t position;         /* bytes handed out so far */
  uint64_t at_most;          /* the file cannot hold more than so many */
  bool exact;                /* ... and holds just as many */
  int64_t (*pull)(cni_input *in, void *to, size_t n); /* up to n bytes; 0 at the end, -1 after an error, which it reports */
  void *source;              /* what pull reads from */
  int file;
};

/* Opens a regular file; with `gzip` one that begins with gzip's magic is inflated. False after an error; then nothing need be closed. */
bool cni_input_open(cni_input *in, cn_graph *g, const char *what, const char *path, bool gzip);
void cni_input_close(cni_input *in);
size_t cni_input_read(cni_input *in, void *to, size_t n); /* fewer than n bytes at the end and after an error */
/* Reads n bytes, or reports that the file ends after `position` of `total` bytes. */
bool cni_input_exactly(cni_input *in, void *to, size_t n, uint64_t total);
/* Whether a file can hold `total` bytes, which its header announces; reports where it cannot. So nothing is allocated that the file cannot fill. */
bool cni_input_holds(cni_input *in, uint64_t total);
/* Nothing is left, and a checksum was right; reports where that is not so. */
bool cni_input_end(cni_input *in);
/* All bytes, a zero after them; from cni_alloc. NULL after an error. */
char *cni_input_text(cni_input *in, size_t *size);
/* `what: name: text`, as FORMAT; returns false. */
bool cni_input_fail(const cni_input *in, const char *format, ...) CN_PRINTF(2, 3);

/* output.c */
const char *cni_file_name(const char *path);                        /* the last part of a path */
const char *cni_thousands(uint64_t v, char *text, size_t size);     /* 1234567 as "1,234,567"; returns text */
/* A file that replaces `path` only when it is complete: written beside it, flushed to the disk, renamed. */
typedef struct cni_output { cn_graph *g; const char *what, *path; char *temporary; FILE *f; } cni_output;
bool cni_output_open(cni_output *out, cn_graph *g, const char *what, const char *path);
bool cni_output_write(cni_output *out, const void *data, size_t n); /* false after an error, which it reports */
bool cni_output_close(cni_output *out, bool ok);                    /* not ok: the temporary file is removed. Once after each open. */

/* elements.c: numbers as files hold them. */
typedef enum { CNI_I8, CNI_U8, CNI_BOOL, CNI_I16, CNI_U16, CNI_F16, CNI_BF16, CNI_I32, CNI_U32, CNI_F32, CNI_I64, CNI_F64, CNI_ELEMENTS } cni_element;
size_t cni_element_size(cni_element e);    /* bytes in the file */
cn_dtype cni_element_dtype(cni_element e); /* what it is read to: the same, or one that holds every value of it */
/* n numbers that stand at the start of `data`, which has room for what they become, in place. */
void cni_elements_decode(void *data, cni_element e, bool big_endian, int64_t n);

/* The head of a file that holds one array of numbers, row after row: what stands where `position` is after it was read. `total` bytes has the file. */
typedef struct cni_header { cni_element element; bool big_endian; cn_dims dims; int64_t count; uint64_t total; } cni_header;
bool cni_idx_header(cni_input *in, cni_header *h);
bool cni_npy_header(cni_input *in, cni_header *h); /* UNSUPPORTED for texts and Fortran order */

/* npz.c: one array of an archive, as a stream of NPY. Both are closed, also after an open that failed. */
bool cni_npz_open(cni_input *in, void **archive, cn_graph *g, const char *path, const char *array);
void cni_npz_close(cni_input *in, void *archive);

/* chunks.c: a text file through a window that moves over it. */
typedef struct cni_chunks {
  cni_input in;
  bool open, ended;
  char *text;
  size_t begin, end, room;
} cni_chunks; /* text[begin, end) is here, with a zero byte after it */
bool cni_chunks_open(cni_chunks *c, cn_graph *g, const char *what, const char *path);
bool cni_chunks_more(cni_chunks *c); /* moves what is here to the front and reads on, or sets `ended`; false after an error */
void cni_chunks_close(cni_chunks *c);

/* npy.c: one array in NumPy's format, from a file or a member of an archive, and to one. */
bool cni_npy_read(cni_input *in, cn_arrays *list, const char *name);
typedef struct cni_npy { char *header; size_t header_bytes; const void *data; size_t bytes; void *owned; } cni_npy;
bool cni_npy_encode(cn_graph *g, const char *what, const cn_named_array *v, cni_npy *out); /* points at the array's data where that is what the file holds */
void cni_npy_free(cn_graph *g, cni_npy *npy);

#endif
