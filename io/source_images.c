/* Folders of pictures, one for each class. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include "../core/options_private.h"
#include "files.h"
#include "image_private.h"
#include "source_private.h"

CN_SCHEMA_DATA_(source_image_folder, cn_source_image_folder_args, CN_SOURCE_IMAGE_FOLDER)
static const cn_schema schema = CN_SCHEMA_(source_image_folder, "image_folder", cn_source_image_folder_args);
#define WHAT "image_folder"

CNI_ARGS_COPY(cn_source_image_folder, source_image_folder_defaults)

typedef enum { LABELS_NONE, LABELS_INT, LABELS_CATEGORICAL, LABELS_BINARY } label_mode;
typedef struct picture { char *path; size_t folder; int64_t label; } picture; /* folder: bytes of the path before the file's name */

typedef struct folder {
  cni_cursor run;
  char *directory, **classes;       // [classes_count]
  picture *v;                       // [run.count]
  int64_t classes_count, classes_room, room;
  int64_t channels, height, width;
  label_mode labels;
  bool nearest, crop, resizes;
} folder;

/* ---- the files ---- */
static char *joined(cn_graph *g, const char *directory, const char *name) {
  const size_t n = strlen(directory), size = n + strlen(name) + 2;
  char *path = cni_alloc(g, size);
  if (path) snprintf(path, size, "%s%s%s", directory, n && directory[n - 1] == '/' ? "" : "/", name);
  return path;
}

static bool is_picture(const char *name) {
  static const char *const ends[] = { ".png", ".jpg", ".jpeg" };
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot && i < sizeof ends / sizeof *ends; i++)
    if (!strcasecmp(dot, ends[i])) return true;
  return false;
}

static bool is_directory(const char *path) {
  struct stat s;
  return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

static bool add_picture(cn_graph *g, folder *f, char *path, const char *name, int64_t label) {
  if (!cni_grow(g, (void **)&f->v, f->run.count, &f->room, sizeof *f->v)) return cni_free(g, path), false;
  f->v[f->run.count++] = (picture){ path, strlen(path) - strlen(name), label };
  return true;
}

/* Everything below a folder. Links to folders are not followed. */
static bool walk(cn_graph *g, folder *f, const char *directory, int64_t label) {
  DIR *d = opendir(directory);
  if (!d) return cn_fail(g, CN_IO, WHAT ": %s: %s", directory, strerror(errno)), false;
  bool ok = true;
  for (const struct dirent *e; ok && (e = readdir(d));) {
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    char *path = joined(g, directory, e->d_name);
    ok = path != NULL;
    if (!ok) break;
    struct stat s;
    if (lstat(path, &s) == 0 && S_ISDIR(s.st_mode)) {
      ok = walk(g, f, path, label);
      cni_free(g, path);
    } else if (is_picture(e->d_name)) ok = add_picture(g, f, path, e->d_name, label);
    else cni_free(g, path);
  }
  closedir(d);
  return ok;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* By class, then by folder, then by name. */
static int by_place(const void *a, const void *b) {
  const picture *p = a, *q = b;
  if (p->label != q->label) return p->label < q->label ? -1 : 1;
  const size_t n = p->folder < q->folder ? p->folder : q->folder;
  const int folders = memcmp(p->path, q->path, n);
  if (folders || p->folder != q->folder) return folders ? folders : p->folder < q->folder ? -1 : 1;
  return strcmp(p->path, q->path);
}

static bool find_classes(cn_graph *g, folder *f) {
  DIR *d = opendir(f->directory);
  if (!d) return cn_fail(g, CN_IO, WHAT ": %s: %s", f->directory, strerror(errno)), false;
  bool ok = true;
  for (const struct dirent *e; ok && (e = readdir(d));) {
    char *path = e->d_name[0] == '.' ? NULL : joined(g, f->directory, e->d_name);
    if (path && is_directory(path)) {
      ok = cni_grow(g, (void **)&f->classes, f->classes_count, &f->classes_room, sizeof *f->classes) &&
           (f->classes[f->classes_count] = cni_strdup(g, e->d_name));
      f->classes_count += ok;
    }
    cni_free(g, path);
    ok = ok && cn_ok(g);
  }
  closedir(d);
  if (ok && f->classes_count) qsort(f->classes, (size_t)f->classes_count, sizeof *f->classes, by_text);
  return ok;
}

/* The caller's order: the same names, each once. */
static bool order_classes(cn_graph *g, folder *f, const cn_strings *names) {
  char **sorted = f->classes, **given = cni_alloc(g, (size_t)(f->classes_count + 1) * sizeof *given);
  if (!given) return false;
  bool same = names->n == f->classes_count;
  for (int64_t i = 0; i < names->n && same; i++) {
    char **found = names->v[i] && f->classes_count ? bsearch(&(const char *){ names->v[i] }, sorted, (size_t)f->classes_count, sizeof *sorted, by_text) : NULL;
    same = found != NULL;
    for (int64_t k = 0; k < i && same; k++) same = given[k] != *found;
    if (same) given[i] = *found;
  }
  if (!same) {
    cni_free(g, given);
    return cn_fail(g, CN_VALUE, WHAT ": class_names are not the folders of %s, each once (there are %lld)", f->directory, (long long)f->classes_count), false;
  }
  f->classes = given;
  cni_free(g, sorted);
  return true;
}

static bool find_pictures(cn_graph *g, folder *f, const cn_strings *names) {
  if (f->labels == LABELS_NONE) return walk(g, f, f->directory, 0);
  if (!find_classes(g, f) || (names->n > 0 && !order_classes(g, f, names))) return false;
  if (!f->classes_count) return cn_fail(g, CN_FORMAT, WHAT ": %s: holds no folders, one for each class", f->directory), false;
  if (f->labels == LABELS_BINARY && f->classes_count != 2)
    return cn_fail(g, CN_VALUE, WHAT ": %s: label_mode binary is for two classes, there are %lld", f->directory, (long long)f->classes_count), false;
  bool ok = true;
  for (int64_t i = 0; i < f->classes_count && ok; i++) {
    char *path = joined(g, f->directory, f->classes[i]);
    ok = path && walk(g, f, path, i);
    cni_free(g, path);
  }
  return ok;
}

/* ---- reading ---- */
static bool put_picture(cn_graph *g, const folder *f, const cni_image *image, const char *path, float *to) {
  const cni_part whole = { 0, 0, image->height, image->width };
  if (f->resizes) {
    const cni_part part = f->crop ? cni_image_crop(image, f->height, f->width) : whole;
    cni_image_resize(image, &part, f->nearest, f->height, f->width, to);
    return true;
  }
  if (image->height != f->height || image->width != f->width)
    return cn_fail(g, CN_SHAPE, WHAT ": %s: is %lld x %lld, the first is %lld x %lld; image_size makes them one size", path, (long long)image->height,
                   (long long)image->width, (long long)f->height, (long long)f->width),
           false;
  for (int64_t i = 0; i < f->height * f->width * f->channels; i++) to[i] = image->pixels[i];
  return true;
}

static void put_label(const folder *f, int64_t label, void *to) {
  float *row = to;
  if (f->labels == LABELS_INT) *(int32_t *)to = (int32_t)label;
  if (f->labels == LABELS_BINARY) *row = (float)label;
  for (int64_t i = 0; f->labels == LABELS_CATEGORICAL && i < f->classes_count; i++) row[i] = i == label;
}

static bool fetch(cn_graph *g, void *state, const int64_t *index, int64_t n, const cn_samples *out) {
  const folder *f = state;
  const int64_t numbers = f->height * f->width * f->channels, width = f->labels == LABELS_CATEGORICAL ? f->classes_count : 1;
  for (int64_t i = 0; i < n; i++) {
    const picture *p = &f->v[index[i]];
    cni_image image;
    if (!cni_image_read(g, WHAT, p->path, p->path, f->channels, &image)) return false;
    const bool ok = put_picture(g, f, &image, p->path, (float *)out->v[0] + i * numbers);
    cni_free(g, image.pixels);
    if (!ok) return false;
    if (f->labels != LABELS_NONE) put_label(f, p->label, (char *)out->v[1] + i * width * 4);
  }
  return true;
}
static int64_t next(cn_graph *g, void *state, int64_t n, const cn_samples *out) {
  folder *f = state;
  (void)n;
  if (f->run.at == f->run.count) return 0;
  if (!fetch(g, f, &(const int64_t){ f->run.at }, 1, out)) return -1;
  f->run.at++;
  return 1;
}
static void finish(cn_graph *g, void *state) {
  folder *f = state;
  for (int64_t i = 0; i < f->run.count; i++) cni_free(g, f->v[i].path);
  for (int64_t i = 0; i < f->classes_count; i++) cni_free(g, f->classes[i]);
  cni_free(g, f->v);
  cni_free(g, f->classes);
  cni_free(g, f->directory);
}
static const cn_source_methods methods = { next, cni_cursor_reset, cni_cursor_size, cni_cursor_seek, fetch, finish };

const char *cn_source_class_name(const cn_source *s, int64_t i) {
  const folder *f = s && s->methods == &methods ? s->state : NULL;
  return f && i >= 0 && i < f->classes_count ? f->classes[i] : NULL;
}

/* ---- opening ---- */
static int64_t choice(cn_graph *g, const char *option, const char *text, const char *const *names, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (text && !strcmp(text, names[i])) return i;
  const char *nearest = text ? cni_nearest(text, names, n) : NULL;
  if (nearest) cni_option_fail(g, &schema, "%s: no \"%.40s\"; did you mean \"%s\"?", option, text, nearest);
  else cni_option_fail(g, &schema, "%s: no \"%.40s\"", option, text ? text : "None");
  return -1;
}

static bool read_options(cn_graph *g, folder *f, const cn_source_image_folder_args *a) {
  static const char *const modes[] = { "int", "categorical", "binary" }, *const colours[] = { "grayscale", "rgb", "rgba" },
                           *const ways[] = { "bilinear", "nearest" };
  static const int64_t channels[] = { 1, 3, 4 };
  const int64_t mode = a->label_mode ? choice(g, "label_mode", a->label_mode, modes, 3) : 0, colour = choice(g, "color_mode", a->color_mode, colours, 3),
                way = choice(g, "interpolation", a->interpolation, ways, 2);
  if (mode < 0 || colour < 0 || way < 0) return false;
  f->resizes = a->image_size.n > 0;
  if (f->resizes && (a->image_size.n != 2 || a->image_size.v[0] < 1 || a->image_size.v[1] < 1))
    return cni_option_fail(g, &schema, "image_size must be a positive height and width");
  if (a->crop_to_aspect_ratio && !f->resizes) return cni_option_fail(g, &schema, "crop_to_aspect_ratio needs image_size");
  f->labels = a->label_mode ? LABELS_INT + (label_mode)mode : LABELS_NONE;
  f->channels = channels[colour];
  f->nearest = way == 1;
  f->crop = a->crop_to_aspect_ratio;
  if (f->resizes) f->height = a->image_size.v[0], f->width = a->image_size.v[1];
  f->directory = cni_strdup(g, a->directory);
  return f->directory != NULL;
}

static bool open_source(cn_source *s, const cn_source_image_folder_args *a) {
  folder *f = s->state;
  cn_graph *g = s->home;
  cni_image first;
  if (!read_options(g, f, a) || !find_pictures(g, f, &a->class_names)) return false;
  if (!f->run.count) return cn_fail(g, CN_FORMAT, WHAT ": %s: holds no images (.png, .jpg, .jpeg)", f->directory), false;
  qsort(f->v, (size_t)f->run.count, sizeof *f->v, by_place);
  if (!f->resizes) {
    if (!cni_image_read(g, WHAT, f->v[0].path, f->v[0].path, f->channels, &first)) return false;
    cni_free(g, first.pixels);
    f->height = first.height;
    f->width = first.width;
  }
  const int64_t width = f->labels == LABELS_CATEGORICAL ? f->classes_count : 1;
  const cn_column columns[] = { { CN_F32, { 3, { f->height, f->width, f->channels } } },
                                { f->labels == LABELS_INT ? CN_I32 : CN_F32, { f->labels != LABELS_INT, { width } } } };
  return cni_source_columns(s, WHAT, columns, 1, f->labels != LABELS_NONE, 0);
}

cn_source *cn_source_image_folder_run(const cn_source_image_folder_args *a) {
  if (!a || !cn_ok(a->graph) || !cni_options_check(a->graph, &schema, a)) return NULL;
  cn_source *s = cni_source_make(a->graph, NULL, &methods, sizeof(folder));
  if (s) open_source(s, a);
  return cni_source_done(s);
}
