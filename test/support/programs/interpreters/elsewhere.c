/*
 * Runs code in an interpreter of its own, as mod_wsgi and other embedders do. Made without Python.h, so that one object
 * serves every CPython: thread states are opaque.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *PyThreadState_Get(void);
extern void *PyThreadState_Swap(void *);
extern void *Py_NewInterpreter(void);
extern void Py_EndInterpreter(void *);
extern int PyRun_SimpleStringFlags(const char *, void *);
extern int PyGILState_Ensure(void);
extern void PyGILState_Release(int);

static __thread void *outer;

/* The caller holds the GIL. */
void run_elsewhere(const char *code)
{
    outer = PyThreadState_Get();
    void *inner = Py_NewInterpreter();
    PyRun_SimpleStringFlags(code, NULL);
    Py_EndInterpreter(inner);
    PyThreadState_Swap(outer);
}

/* From code that runs elsewhere: back in the interpreter that it was called from, on top of the same stack. */
void run_back(const char *code)
{
    void *inner = PyThreadState_Swap(outer);
    PyRun_SimpleStringFlags(code, NULL);
    PyThreadState_Swap(inner);
}

struct foreign {
    char *code;
    sem_t started;
    int lwp;
};

static void *foreign(void *argument)
{
    struct foreign *own = argument;
    char *code = own->code;
    own->lwp = (int)syscall(SYS_gettid);
    sem_post(&own->started);
    int state = PyGILState_Ensure();
    run_elsewhere(code);
    PyGILState_Release(state);
    return NULL;
}

/* Returns the thread's gettid(2). */
int start_elsewhere(const char *code, unsigned long *ident)
{
    struct foreign own = {.code = strdup(code)};
    pthread_t thread;
    sem_init(&own.started, 0, 0);
    if (pthread_create(&thread, NULL, foreign, &own) != 0)
        return -1;
    sem_wait(&own.started);
    *ident = (unsigned long)thread;
    return own.lwp;
}
