/*
 * Models in their roles: loaded when a lane first asks, each under a lock of its own, so that two lanes may
 * load two models at once while a third waits for one of them. A model that failed to load is tried again by
 * the next request (the file may have been mended).
 *
 * Invariant: slot.model is written once, under slot.lock, and stays until models_free; requests[lane] is only
 * touched by that lane.
 */
#include "engine/models/models.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "engine/models/manifest.h"

struct dictionary {
    char *text; /* the file, its line ends turned into NULs */
    const char **lines;
    size_t count;
};

struct slot {
    pthread_mutex_t lock;
    struct backend_model *model;
    struct dictionary dictionary;
    atomic_bool loaded;
    struct backend_request **requests; /* one a lane */
};

struct models {
    char *folder;
    struct manifest manifest;
    struct backend *backend;
    int lanes;
    struct slot slots[MODEL_ROLE_COUNT];
};

int models_open(const char *folder, struct backend *backend, int lanes, struct models **ret, struct err *err)
{
    struct manifest manifest;
    int r = manifest_read(folder, &manifest, err);
    if (r < 0)
        return r;
    struct models *m = xnew(struct models);
    m->folder = xstrdup(folder);
    m->manifest = manifest;
    m->backend = backend;
    m->lanes = lanes;
    for (size_t i = 0; i < MODEL_ROLE_COUNT; i++) {
        pthread_mutex_init(&m->slots[i].lock, NULL);
        m->slots[i].requests = xnew_array(struct backend_request *, (size_t)lanes);
    }
    *ret = m;
    return 0;
}

static void dictionary_done(struct dictionary *d)
{
    free(d->text);
    free(d->lines);
    *d = (struct dictionary){0};
}

void models_free(struct models *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < MODEL_ROLE_COUNT; i++) {
        struct slot *s = &m->slots[i];
        for (int lane = 0; lane < m->lanes; lane++)
            backend_request_free(s->requests[lane]);
        free(s->requests);
        backend_unload(s->model);
        dictionary_done(&s->dictionary);
        pthread_mutex_destroy(&s->lock);
    }
    manifest_done(&m->manifest);
    free(m->folder);
    free(m);
}

/* One entry a line, exactly as written: an entry may be empty or a blank. Only the line end (and a CR before
 * it) is not part of it. */
static void split_lines(char *text, size_t len, struct dictionary *d)
{
    size_t cap = 0;
    for (char *s = text, *end = text + len; s < end;) {
        char *stop = memchr(s, '\n', (size_t)(end - s));
        if (stop == NULL)
            stop = end;
        *stop = '\0';
        if (stop > s && stop[-1] == '\r')
            stop[-1] = '\0';
        *VEC_PUSH(d->lines, d->count, cap) = s;
        s = stop + 1;
    }
    d->text = text;
}

static int load_dictionary(const struct models *m, const struct manifest_file *f, struct dictionary *ret,
                           struct err *err)
{
    int r = manifest_verify(m->folder, f, err);
    if (r < 0)
        return r;
    CLEANUP(freep) char *path = xasprintf("%s/%s", m->folder, f->name);
    CLEANUP(buf_done) struct buf b = BUF_INIT(MANIFEST_MAX_DICTIONARY_BYTES);
    r = file_read_all(path, &b, err);
    if (r < 0)
        return r;
    if (memchr(buf_str(&b), '\0', b.len) != NULL)
        return err_fail(err, ERR_FORMAT, "%s holds a NUL byte", path);
    size_t len = b.len;
    split_lines(buf_take(&b), len, ret);
    return 0;
}

static int load_slot(struct models *m, enum model_role role, struct err *err)
{
    struct slot *s = &m->slots[role];
    const struct manifest_model *model = &m->manifest.models[role];
    int r = manifest_verify(m->folder, &model->graph, err);
    if (r == 0 && model->weights.name != NULL)
        r = manifest_verify(m->folder, &model->weights, err);
    struct dictionary d = {0};
    if (r == 0 && model->dictionary.name != NULL)
        r = load_dictionary(m, &model->dictionary, &d, err);
    CLEANUP(freep) char *path = xasprintf("%s/%s", m->folder, model->graph.name);
    if (r == 0)
        r = backend_load(m->backend, model->name, path, models_streams(role, m->lanes), &s->model, err);
    if (r < 0) {
        dictionary_done(&d);
        return r;
    }
    s->dictionary = d;
    if (d.lines != NULL)
        backend_set_classes(s->model, d.lines, d.count);
    atomic_store(&s->loaded, true);
    return 0;
}

/* Makes sure that the role's model is there; afterwards its slot's model and dictionary may be read without
 * the lock. */
static int need(struct models *m, enum model_role role, struct err *err)
{
    struct slot *s = &m->slots[role];
    if (atomic_load(&s->loaded))
        return 0;
    if (m->manifest.models[role].name == NULL)
        return err_fail(err, ERR_NOTFOUND, "no model in the role %s is installed", manifest_role_name(role));
    pthread_mutex_lock(&s->lock);
    int r = atomic_load(&s->loaded) ? 0 : load_slot(m, role, err);
    pthread_mutex_unlock(&s->lock);
    return r;
}

int models_request(struct models *m, enum model_role role, int lane, struct backend_request **ret,
                   struct err *err)
{
    if (lane < 0 || lane >= m->lanes)
        return err_fail(err, ERR_BUG, "lane %d of %d", lane, m->lanes);
    int r = need(m, role, err);
    if (r < 0)
        return r;
    struct slot *s = &m->slots[role];
    if (s->requests[lane] == NULL) {
        r = backend_request_new(s->model, &s->requests[lane], err);
        if (r < 0)
            return r;
    }
    *ret = s->requests[lane];
    return 0;
}

int models_dictionary(struct models *m, enum model_role role, const char *const **ret, size_t *ret_count,
                      struct err *err)
{
    int r = need(m, role, err);
    if (r < 0)
        return r;
    const struct dictionary *d = &m->slots[role].dictionary;
    if (d->lines == NULL)
        return err_fail(err, ERR_NOTFOUND, "the model %s has no dictionary", m->manifest.models[role].name);
    *ret = d->lines;
    *ret_count = d->count;
    return 0;
}

int models_streams(enum model_role role, int lanes)
{
    bool for_each_line = role == MODEL_REC_TINY || role == MODEL_REC_SMALL || role == MODEL_TEXTLINE_CLS;
    return for_each_line ? lanes : (lanes + 2) / 3;
}

int models_preload(struct models *m, enum model_role role, struct err *err)
{
    return need(m, role, err);
}

bool models_is_loaded(const struct models *m, enum model_role role)
{
    return atomic_load(&m->slots[role].loaded);
}
