/* Confusion matrices and classification reports, whose text has the layout of scikit-learn's. */
#include "test_layers.h"

static cn_graph *g;
static void begin(void) { g = cn_graph_new(.seed = 5); }
static void end(void) {
  CHECK_OK(g);
  cn_graph_free(g);
}
TestSuite(classification, .init = begin, .fini = end);

Test(classification, a_matrix) {
  cn_tensor *t = INTEGERS(g, CN_DIMS(6), 2, 0, 2, 2, 0, 1), *p = INTEGERS(g, CN_DIMS(6), 0, 0, 2, 2, 0, 2);
  cn_tensor *m = cn_confusion_matrix(g, t, p);
  CHECK_TENSOR(m, CN_DIMS(3, 3), 0, 2, 0, 0, 0, 0, 1, 1, 0, 2);
  cr_assert_eq(cn_dtype_of(m), CN_I64);
  CHECK_TENSOR(cn_confusion_matrix(g, t, p, .classes = 4), CN_DIMS(4, 4), 0, 2, 0, 0, 0, 0, 0, 1, 0, 1, 0, 2, 0, 0, 0, 0, 0);
  m = cn_confusion_matrix(g, t, p, .sample_weight = FLOATS(g, CN_DIMS(6), 0.5, 1, 1, 2, 1, 1));
  CHECK_TENSOR(m, CN_DIMS(3, 3), 0, 2, 0, 0, 0, 0, 1, 0.5, 0, 3);
  cr_assert_str_eq(
      cn_confusion_text(g, cn_confusion_matrix(g, t, p), (cn_strings)CN_STRINGS("ant", "bird", "cat")),
      "true \\ predicted   ant  bird   cat\n             ant     2     0     0\n            bird     0     0     1\n             cat     1     0     2\n");
}

Test(classification, labels_come_in_several_forms) {
  cn_tensor *one_hot = FLOATS(g, CN_DIMS(3, 3), 0, 0, 1, 1, 0, 0, 0, 1, 0), *scores = FLOATS(g, CN_DIMS(3, 3), 0.1, 0.2, 0.7, 5, 5, 1, -1, -3, -2);
  CHECK_TENSOR(cn_confusion_matrix(g, one_hot, scores), CN_DIMS(3, 3), 0, 1, 0, 0, 1, 0, 0, 0, 0, 1);
  cn_tensor *probabilities = FLOATS(g, CN_DIMS(4, 1), 0.5, 0.51, 1, 0), *labels = cn_array(g, CN_U8, CN_DIMS(4, 1), (const uint8_t[]){ 0, 1, 0, 1 });
  CHECK_TENSOR(cn_confusion_matrix(g, labels, probabilities), CN_DIMS(2, 2), 0, 1, 1, 1, 1);
  CHECK_TENSOR(cn_confusion_matrix(g, labels, cn_array(g, CN_BOOL, CN_DIMS(4), (const bool[]){ 0, 1, 1, 0 })), CN_DIMS(2, 2), 0, 1, 1, 1, 1);
}

Test(classification, the_report_of_scikit_learn) {
  cn_tensor *t = INTEGERS(g, CN_DIMS(5), 0, 1, 2, 2, 2), *p = INTEGERS(g, CN_DIMS(5), 0, 0, 2, 2, 1);
  cr_assert_str_eq(cn_classification_report(g, t, p, .names = CN_STRINGS("class 0", "class 1", "class 2")),
                   "              precision    recall  f1-score   support\n\n"
                   "     class 0       0.50      1.00      0.67         1\n"
                   "     class 1       0.00      0.00      0.00         1\n"
                   "     class 2       1.00      0.67      0.80         3\n\n"
                   "    accuracy                           0.60         5\n"
                   "   macro avg       0.50      0.56      0.49         5\n"
                   "weighted avg       0.70      0.60      0.61         5\n");
}

Test(classification, a_report_of_labels_that_occur) {
  cn_tensor *t = INTEGERS(g, CN_DIMS(4), 1, 1, 5, 5), *p = INTEGERS(g, CN_DIMS(4), 1, 5, 5, 5);
  cr_assert_str_eq(cn_classification_report(g, t, p, .digits = 4),
                   "              precision    recall  f1-score   support\n\n"
                   "           1     1.0000    0.5000    0.6667         2\n"
                   "           5     0.6667    1.0000    0.8000         2\n\n"
                   "    accuracy                         0.7500         4\n"
                   "   macro avg     0.8333    0.7500    0.7333         4\n"
                   "weighted avg     0.8333    0.7500    0.7333         4\n");
  const char *long_name = cn_classification_report(g, INTEGERS(g, CN_DIMS(1), 0), INTEGERS(g, CN_DIMS(1), 0), .names = CN_STRINGS("a name that is long", "b"));
  cr_assert(strstr(long_name, "a name that is long       1.00      1.00      1.00         1\n                  b       0.00      0.00      0.00         0\n"),
            "%s", long_name);
}

Test(classification, weights_and_nothing_to_divide_by) {
  cn_tensor *t = INTEGERS(g, CN_DIMS(3), 0, 1, 1), *p = INTEGERS(g, CN_DIMS(3), 0, 0, 0), *w = FLOATS(g, CN_DIMS(3), 2, 0.5, 0.25);
  const cn_classification *c = cn_classify(g, t, p, .sample_weight = w, .zero_division = 1);
  cr_assert(c && c->classes == 2);
  CHECK_NEAR(c->each[0].precision, 2 / 2.75, 1e-12);
  CHECK_NEAR(c->each[1].precision, 1, 0); /* never predicted */
  CHECK_NEAR(c->each[1].recall, 0, 0);
  CHECK_NEAR(c->accuracy, 2 / 2.75, 1e-12);
  CHECK_NEAR(c->weighted.recall, 2 / 2.75, 1e-12);
  CHECK_NEAR(c->macro.recall, 0.5, 1e-12);
  cr_assert(strstr(cn_classification_report(g, t, p, .sample_weight = w),
                   "           0       0.73      1.00      0.84       2.0\n           1       0.00      0.00      0.00      0.75\n"));
}

Test(classification, refusals) {
  cn_tensor *t = INTEGERS(g, CN_DIMS(2), 0, 1);
  cr_assert_null(cn_confusion_matrix(g, t, INTEGERS(g, CN_DIMS(3), 0, 1, 1)));
  CHECK_REFUSED(g, CN_SHAPE, "classification: y_true has 2 samples, y_pred has 3");
  t = INTEGERS(g, CN_DIMS(2), 0, 3);
  cr_assert_null(cn_confusion_matrix(g, t, INTEGERS(g, CN_DIMS(2), 0, 1), .classes = 3));
  CHECK_REFUSED(g, CN_INDEX, "classification: y_true is 3 at position 1, out of range for 3 classes");
  t = INTEGERS(g, CN_DIMS(2), 0, -1);
  cr_assert_null(cn_confusion_matrix(g, INTEGERS(g, CN_DIMS(2), 0, 1), t));
  CHECK_REFUSED(g, CN_INDEX, "classification: y_pred is -1 at position 1, out of range for 2 classes");
  t = FLOATS(g, CN_DIMS(2), 0, 0.5);
  cr_assert_null(cn_confusion_matrix(g, t, t));
  CHECK_REFUSED(g, CN_VALUE, "classification: y_true is 0.5 at position 1, which is no class");
  cr_assert_null(cn_confusion_matrix(g, INTEGERS(g, CN_DIMS(2), 0, 1), FLOATS(g, CN_DIMS(2), 0.5, 1.5)));
  CHECK_REFUSED(g, CN_VALUE, "classification: y_pred is 1.5 at position 1, which is no class and no probability");
  cr_assert_null(cn_confusion_matrix(g, INTEGERS(g, CN_DIMS(2), 0, 1)));
  CHECK_REFUSED(g, CN_VALUE, "classification: y_pred is missing");
  cr_assert_str_eq(cn_classification_report(g, INTEGERS(g, CN_DIMS(2), 0, 1), INTEGERS(g, CN_DIMS(2), 0, 1), .names = CN_STRINGS("a", "b"), .classes = 3), "");
  CHECK_REFUSED(g, CN_VALUE, "classification: 2 names for 3 classes");
  cr_assert_null(cn_confusion_matrix(g, cn_ones(g, CN_I32, CN_DIMS(0)), cn_ones(g, CN_I32, CN_DIMS(0))));
  CHECK_REFUSED(g, CN_SHAPE, "classification: there are no samples");
  cr_assert_null(cn_confusion_matrix(g, cn_ones(g, CN_I32, CN_DIMS(2, 2, 2)), cn_ones(g, CN_I32, CN_DIMS(2))));
  CHECK_REFUSED(g, CN_SHAPE, "classification: y_true is [2,2,2], not [n], [n,1] or [n,classes]");
  cr_assert_str_eq(cn_confusion_text(g, cn_ones(g, CN_I32, CN_DIMS(2, 3)), (cn_strings){ NULL, 0 }), "");
  CHECK_REFUSED(g, CN_SHAPE, "confusion_text: [2,3] is no square matrix of numbers");
  cr_assert_null(cn_confusion_matrix(NULL, NULL, NULL));
}

Test(classification, every_allocation_may_fail) {
  for (int64_t k = 1; k < 100; k++) {
    counting n = { .fail_at = k };
    cn_graph *own = graph_counting(&n);
    cn_tensor *t = INTEGERS(own, CN_DIMS(2), 0, 1);
    const bool done = own && strlen(cn_classification_report(own, t, t)) > 0;
    cr_assert_eq(done, cn_ok(own));
    cn_graph_free(own);
    cr_assert_eq(n.live, 0);
    if (done) return;
  }
  cr_assert_fail("it never came through");
}
