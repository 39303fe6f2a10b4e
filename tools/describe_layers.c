/* describe-layers: prints docs/layers.md, every option of every layer, from the lists that the classes are made of. */
#include <stdio.h>
#include <stdlib.h>
#include "../models/model_private.h"

/* The part of cn_describe's text that is about the layer; other kinds may have a class of the name. Empty if there is none. */
static const char *section(cn_graph *g, const char *name) {
  char head[128];
  const char *text = cn_describe(g, name);
  snprintf(head, sizeof head, "%s (layer)\n", name);
  const char *at = text ? strstr(text, head) : NULL;
  return at ? at + strlen(head) : "";
}

/* Whether a section has an option of the name that a line begins with. */
static bool has_option(const char *lines, const char *line) {
  const size_t n = strcspn(line, ":") + 1;
  for (; lines && *lines == ' '; lines = strchr(lines, '\n') + 1)
    if (!strncmp(lines, line, n)) return true;
  return false;
}

/* "  units: integer, positive, required: size" as "- `units`: integer, ..."; those of `common` are left out. Returns how many. */
static int print_options(const char *lines, const char *common) {
  int count = 0;
  for (const char *p = lines; *p == ' '; p = strchr(p, '\n') + 1) {
    if (common && has_option(common, p)) continue;
    count++;
    printf("- `%.*s`%.*s\n", (int)strcspn(p, ":") - 2, p + 2, (int)(strcspn(p, "\n") - strcspn(p, ":")), p + strcspn(p, ":"));
  }
  return count;
}

int main(void) {
  cn_graph *g = cn_graph_new();
  const char *common = section(g, "Identity"); /* which has no option of its own */
  printf("# Layers and their options\n\n`cn_NAME(g, required, ..., .option = value)` makes a layer. What each computes stands in the headers of `layers/`. "
         "Made by `ninja update-docs` from the lists in those headers.\n");
  printf("\n## Every layer\n\n");
  print_options(common, NULL);
  for (const cn_class *const *c = cni_layer_classes; *c && cn_ok(g); c++) {
    printf("\n## %s\n\n", (*c)->schema.name);
    if (!print_options(section(g, (*c)->schema.name), common)) printf("No option of its own.\n");
  }
  const bool ok = cn_ok(g);
  if (!ok) fprintf(stderr, "describe-layers: %s\n", cn_error(g));
  cn_graph_free(g);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
