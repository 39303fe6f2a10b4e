/* SANITIZED: built with a sanitizer that replaces the allocator, maps more than any limit and keeps what was freed. */
#ifndef TEST_SANITIZED_H
#define TEST_SANITIZED_H
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if !defined(SANITIZED) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define SANITIZED 1
#endif
#endif
