/* cornu-conformance [--only GLOB] [--verbose] [--f32 EXCEPTIONS | --rounded] DIR...: runs every case below the directories. One line a failure, one a family,
 * last "N passed, N failed, N skipped".
 * --only takes a case's id or FAMILY/ID; skipped cases are of kinds or classes that the library does not have.
 * --f32 runs the cases of operations and graphs (others are not counted) in float32, by the same rule with 1e-5 or what the file EXCEPTIONS gives: lines "GLOB
 * TOLERANCE REASON", # begins a comment. "-" is an empty file.
 * --rounded runs the same cases in float64 on inputs rounded to float32, with 1e-5: what fails here is ill-conditioned, whatever computes it. */
#include <dirent.h>
#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "runner.h"

static const struct { const char *kind; runner *run;
} kinds[] = { { "op", run_op }, { "op_edge", run_op_edge }, { "op_error", run_op_error }, { "graph", run_graph }, { "layer", run_layer },
              { "layer_shape", run_layer_shape }, { "layer_stat", run_layer_stat }, { "layer_error", run_layer_error }, { "activation", run_activation },
              { "regularizer", run_regularizer }, { "constraint", run_constraint }, { "initializer", run_initializer },
              { "initializer_stat", run_initializer_stat }, { "loss", run_loss }, { "loss_function", run_loss_function }, { "metric", run_metric },
              { "model", run_model }, { "model_error", run_model_error }, { "history", run_history }, { "optimizer", run_optimizer },
              { "optimizer_sparse", run_optimizer }, { "schedule", run_schedule }, { "util", run_util } };

typedef struct family { char name[64]; int passed, failed, unsupported; } family;
static struct {
  const char *only;
  bool verbose, f32, rounded;
  family families[64];
  int count;
  struct exception { char glob[96]; double tolerance; } exceptions[256];
  int exceptions_count;
} all;

bool fail(run *r, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (r->out->status == PASSED) {
    r->out->status = FAILED;
    vsnprintf(r->out->text, sizeof r->out->text, format, args);
  }
  va_end(args);
  return false;
}
bool unsupported(run *r, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (r->out->status == PASSED) {
    r->out->status = UNSUPPORTED;
    vsnprintf(r->out->text, sizeof r->out->text, format, args);
  }
  va_end(args);
  return false;
}
bool library_failed(run *r, const char *what) { return fail(r, "%s: %s", what, cn_ok(r->g) ? "returned nothing" : cn_error(r->g)); }

static bool is_of_ops(const char *kind) { return !strncmp(kind, "op", 2) ? strncmp(kind, "optim", 5) != 0 : !strcmp(kind, "graph"); }

/* In float32: 1e-5, or what the case's own tolerance or an exception allows. */
static double tolerance_f32(const json_t *c, double of_case) {
  double most = fmax(of_case, 1e-5);
  for (int i = 0; i < all.exceptions_count; i++)
    if (!fnmatch(all.exceptions[i].glob, text_of(c, "id"), 0)) most = fmax(most, all.exceptions[i].tolerance);
  return most;
}

static void run_case(const json_t *c, const char *folder, outcome *out) {
  run r = { .c = c, .folder = folder, .out = out, .rtol = 1e-5, .scale = 1, .real = all.f32 ? CN_F32 : CN_F64, .rounded = all.rounded };
  const json_t *rtol = json_object_get(c, "rtol"), *atol = json_object_get(c, "atol");
  const char *kind = text_of(c, "kind");
  if (json_is_number(rtol)) r.rtol = json_number_value(rtol);
  if (all.f32 || all.rounded) r.rtol = tolerance_f32(c, r.rtol);
  if (json_is_number(atol)) r.atol = json_number_value(atol), r.scale = 0;
  r.g = cn_graph_new(.seed = 1);
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(kind, kinds[i].kind)) {
      kinds[i].run(&r);
      cn_graph_free(r.g);
      return;
    }
  unsupported(&r, "kind %s", kind);
  cn_graph_free(r.g);
}

static family *family_of(const char *name) {
  for (int i = 0; i < all.count; i++)
    if (!strcmp(all.families[i].name, name)) return &all.families[i];
  snprintf(all.families[all.count].name, sizeof all.families->name, "%s", name);
  return &all.families[all.count++];
}

static void run_file(const char *path, const char *folder, const char *f) {
  json_error_t e;
  json_t *c = json_load_file(path, JSON_DECODE_ANY, &e);
  if (!c || !*text_of(c, "kind")) { /* no case: data beside one */
    if (!c) printf("FAIL %s: %s\n", path, e.text), family_of(f)->failed++;
    json_decref(c);
    return;
  }
  const char *id = text_of(c, "id");
  char full[256];
  snprintf(full, sizeof full, "%s/%s", f, id);
  const bool counts = !(all.f32 || all.rounded) || is_of_ops(text_of(c, "kind"));
  if (counts && (!all.only || !fnmatch(all.only, id, 0) || !fnmatch(all.only, full, 0))) {
    outcome out = { PASSED, "" };
    run_case(c, folder, &out);
    family *fam = family_of(f);
    if (out.status == PASSED) fam->passed++;
    else if (out.status == FAILED) fam->failed++, printf("FAIL %s: %s\n", id, out.text);
    else fam->unsupported++;
    if (all.verbose && out.status != FAILED) printf("%s %s%s%s\n", out.status == PASSED ? "ok" : "unsupported", id, *out.text ? ": " : "", out.text);
  }
  json_decref(c);
}

static int by_name(const struct dirent **a, const struct dirent **b) { return strcmp((*a)->d_name, (*b)->d_name); }

static bool walk(const char *path, const char *f) {
  struct dirent **entries;
  const int n = scandir(path, &entries, NULL, by_name);
  if (n < 0) return false;
  for (int i = 0; i < n; i++) {
    char below[4096];
    struct stat s;
    const char *name = entries[i]->d_name;
    const size_t length = strlen(name);
    snprintf(below, sizeof below, "%s/%s", path, name);
    if (name[0] != '.' && stat(below, &s) == 0) {
      if (S_ISDIR(s.st_mode)) walk(below, name);
      else if (length > 5 && !strcmp(name + length - 5, ".json")) run_file(below, path, f);
    }
    free(entries[i]);
  }
  free(entries);
  return true;
}

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash && slash[1] ? slash + 1 : path;
}

/* "GLOB TOLERANCE REASON" a line. */
static bool read_exceptions(const char *path) {
  char line[512], glob[96], tolerance[32];
  FILE *f = strcmp(path, "-") ? fopen(path, "r") : NULL;
  bool ok = f || !strcmp(path, "-");
  while (f && ok && fgets(line, sizeof line, f)) {
    int reason = 0;
    struct exception *e = &all.exceptions[all.exceptions_count];
    if (*line == '#' || *line == '\n') continue;
    ok = all.exceptions_count < 256 && sscanf(line, "%95s %31s %n", glob, tolerance, &reason) == 2 && reason && line[reason] &&
         cni_number_parse(tolerance, &e->tolerance);
    snprintf(e->glob, sizeof e->glob, "%s", glob);
    all.exceptions_count += ok;
  }
  if (f) fclose(f);
  return ok;
}

static int usage(void) { return fprintf(stderr, "usage: cornu-conformance [--only GLOB] [--verbose] [--f32 EXCEPTIONS | --rounded] DIR...\n"), 2; }

int main(int argc, char **argv) {
  int passed = 0, failed = 0, skipped = 0, directories = 0;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--only") && i + 1 < argc) all.only = argv[++i];
    else if (!strcmp(argv[i], "--verbose")) all.verbose = true;
    else if (!strcmp(argv[i], "--rounded")) all.rounded = true;
    else if (!strcmp(argv[i], "--f32") && i + 1 < argc) {
      all.f32 = true;
      if (!read_exceptions(argv[++i])) return fprintf(stderr, "cornu-conformance: %s: lines must be \"GLOB TOLERANCE REASON\"\n", argv[i]), 2;
    } else if (argv[i][0] == '-') return usage();
    else if (walk(argv[i], last_part(argv[i]))) directories++;
    else return fprintf(stderr, "cornu-conformance: cannot read %s\n", argv[i]), 2;
  }
  if (!directories) return usage();
  for (int i = 0; i < all.count; i++) {
    const family *f = &all.families[i];
    printf("%s: %d cases, %d passed, %d failed, %d unsupported\n", f->name, f->passed + f->failed + f->unsupported, f->passed, f->failed, f->unsupported);
    passed += f->passed;
    failed += f->failed;
    skipped += f->unsupported;
  }
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed || !passed;
}
