/* Ctrl-C during a fit that asks for it. */
#include "model_private.h"

volatile sig_atomic_t cni_interrupted;

static void interrupt(int signal_number) {
  (void)signal_number;
  cni_interrupted = 1;
}

/* The handler serves once: a second Ctrl-C does what it does without it. */
void cni_interrupt_catch(struct sigaction *before) {
  struct sigaction action = { .sa_handler = interrupt, .sa_flags = SA_RESTART | (int)SA_RESETHAND };
  cni_interrupted = 0;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, before);
}

void cni_interrupt_leave(const struct sigaction *before) {
  sigaction(SIGINT, before, NULL);
  cni_interrupted = 0;
}
