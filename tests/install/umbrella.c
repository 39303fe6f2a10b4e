/* A program outside the tree: both spellings of the header, and the version that it was compiled with is the one that it runs with. */
#include <cornu.h>
#include <cornu/cornu.h>
#include <string.h>

int main(void) {
  cn_graph *g = cn_graph_new();
  bool same = cn_ok(g) && strcmp(cn_version(), CN_VERSION) == 0;
  cn_graph_free(g);
  return same ? 0 : 1;
}
