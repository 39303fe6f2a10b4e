// The same from C++17, where the macros are hidden: the plain functions stand beneath them.
#include <cornu.h>
#include <cstring>

int main() {
  cn_graph_options options;
  cn_graph_options_init(&options, sizeof options);
  cn_graph *g = cn_graph_make(&options);
  const bool same = cn_ok(g) && std::strcmp(cn_version(), CN_VERSION) == 0;
  cn_graph_free(g);
  return same ? 0 : 1;
}
