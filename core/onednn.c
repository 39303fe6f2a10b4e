/* The seam to oneDNN 2.6: matrix products of floats. */
#include <stdio.h>
#include "gemm_private.h"

#ifdef CN_HAVE_ONEDNN
#include <dnnl.h>

bool cni_onednn_there(void) { return true; }

const char *cni_onednn_version(char *text, size_t size) {
  const dnnl_version_t *v = dnnl_version();
  snprintf(text, size, "%d.%d.%d", v->major, v->minor, v->patch);
  return text;
}

/* c [m, n], before bias and activation. */
cn_code cni_onednn_gemm(cn_graph *g, const cni_gemm_args *a) {
  (void)g;
  if (a->dtype != CN_F32) return CN_UNSUPPORTED;
  const dnnl_status_t status = dnnl_sgemm(a->transpose_a ? 'T' : 'N', a->transpose_b ? 'T' : 'N', a->m, a->n, a->k, 1, a->a, cni_lda(a), a->b, cni_ldb(a),
      a->accumulate ? 1 : 0, a->c, cni_ldc(a));
  return status == dnnl_success ? CN_OK : CN_UNSUPPORTED;
}

#else

bool cni_onednn_there(void) { return false; }

const char *cni_onednn_version(char *text, size_t size) {
  snprintf(text, size, "no");
  return text;
}

cn_code cni_onednn_gemm(cn_graph *g, const cni_gemm_args *a) {
  (void)g, (void)a;
  return CN_UNSUPPORTED;
}

#endif
