/* A walk over the rows of a table's text, and its columns. */
#ifndef CN_IO_CSV_PRIVATE_H
#define CN_IO_CSV_PRIVATE_H
#include "csv.h"
#include "io_private.h"

typedef struct cni_field { const char *p; size_t n; bool quoted, doubled; } cni_field; /* without its quotes; doubled: quotes in it stand twice */

typedef struct cni_csv {
  cn_graph *g;
  const char *name;                 /* of the file */
  char delimiter, quote;            /* quote 0: none */
  const char *p, *end;              /* what is left; a zero byte stands at the end */
  bool more;                        /* what is left is not the file's end: */
  bool cut;                         /* ... the row that was tried ends beyond it */
  int64_t line, next_line;          /* of the row that was read, and of the next; from 1 */
  cni_field *v;
  int64_t n, capacity;              /* fields of the row that was read */
  const cn_strings *missing;        /* words for missing values */
  bool missing_first[256];          /* whether one begins with a byte */
} cni_csv;

/* csv_scan.c */
bool cni_csv_row(cni_csv *c);       /* the next row that is not empty; false at the end and after an error */
void cni_csv_skip_lines(cni_csv *c, int64_t lines);
size_t cni_field_bytes(const cni_csv *c, const cni_field *f);           /* of its text, doubled quotes as one */
void cni_field_copy(const cni_csv *c, const cni_field *f, char *to);
cni_field cni_field_trim(const cni_field *f);                           /* without blanks around it */
bool cni_csv_fail(const cni_csv *c, const char *format, ...) CN_PRINTF(2, 3); /* `read_csv: x.csv: line 7: ...` */

/* csv.c */
bool cni_csv_options(cni_csv *c, const cn_read_csv_args *o);            /* checks and takes header, delimiter, quote and missing, whose list must stay */
bool cni_csv_is_header(const cni_csv *c, int64_t header);               /* whether the row that was read holds names */
char *cni_csv_name(const cni_csv *c, int64_t i, bool header);           /* of column i, from cni_alloc */

/* csv_convert.c */
#define CNI_CSV_AUTO ((cn_dtype)CN_DTYPES)
typedef struct cni_column {
  char *name;
  int64_t index;                    /* of its field in a row */
  cn_dtype dtype;                   /* CNI_CSV_AUTO until every row was seen */
  bool real, text;                  /* a field was no integer, no number */
  size_t bytes;                     /* of all its texts */
  cn_named_array *array;
} cni_column;
void cni_column_see(cni_column *k, const cni_csv *c, const cn_read_csv_args *o);                /* the first walk: the type, the bytes */
void cni_column_decide(cni_column *k, cn_dtype floats, int64_t rows);
bool cni_column_store(cni_column *k, const cni_csv *c, const cn_read_csv_args *o, int64_t row); /* the second: element `row` of the array */
bool cni_csv_is_missing(const cni_csv *c, const cni_field *f);
bool cni_csv_is_number(const cni_field *f);

#endif
