/*
 * Reading of manifest.json and checking of the files it names. The manifest is the operator's own (models may
 * be added to it), so it is trusted as to what to load, but a slip in it must be named, not guessed around.
 */
#include "engine/models/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/mem.h"

#define MANIFEST_VERSION 1

static const char *const role_names[MODEL_ROLE_COUNT] = {
    [MODEL_DET_TINY] = "det_tiny",
    [MODEL_DET_SMALL] = "det_small",
    [MODEL_REC_TINY] = "rec_tiny",
    [MODEL_REC_SMALL] = "rec_small",
    [MODEL_TEXTLINE_CLS] = "textline_cls",
    [MODEL_ORIENTATION] = "orientation",
    [MODEL_LAYOUT] = "layout",
    [MODEL_TABLE] = "table",
};

const char *manifest_role_name(enum model_role role)
{
    return role_names[role];
}

static void file_done(struct manifest_file *f)
{
    free(f->name);
    free(f->sha256);
}

void manifest_done(struct manifest *m)
{
    for (size_t i = 0; i < MODEL_ROLE_COUNT; i++) {
        free(m->models[i].name);
        file_done(&m->models[i].graph);
        file_done(&m->models[i].weights);
        file_done(&m->models[i].dictionary);
    }
    *m = (struct manifest){0};
}

static bool is_file_name(const char *s)
{
    return s[0] != '\0' && s[0] != '.' && strchr(s, '/') == NULL && strlen(s) <= 200;
}

static int take_file(const char *model, const char *name, const char *sha256, json_int_t bytes,
                     struct manifest_file *ret, struct err *err)
{
    if (!is_file_name(name))
        return err_fail(err, ERR_FORMAT, "model %s: \"%s\" is not a plain file name", model, name);
    if (strlen(sha256) != 64 || strspn(sha256, "0123456789abcdef") != 64)
        return err_fail(err, ERR_FORMAT, "model %s: sha256 is not 64 lower-case hex digits", model);
    if (bytes < 1 || (uint64_t)bytes > MANIFEST_MAX_MODEL_BYTES)
        return err_fail(err, ERR_FORMAT, "model %s: %lld bytes is not a possible size", model,
                        (long long)bytes);
    *ret = (struct manifest_file){.name = xstrdup(name), .sha256 = xstrdup(sha256), .bytes = (uint64_t)bytes};
    return 0;
}

static int take_part(const char *model, const char *key, json_t *part, struct manifest_file *ret,
                     struct err *err)
{
    if (part == NULL)
        return 0;
    const char *name, *sha256;
    json_int_t bytes;
    json_error_t je;
    if (json_unpack_ex(part, &je, JSON_STRICT, "{s:s, s:s, s:I}", "file", &name, "sha256", &sha256, "bytes",
                       &bytes))
        return err_fail(err, ERR_FORMAT, "model %s: %s: %s", model, key, je.text);
    return take_file(model, name, sha256, bytes, ret, err);
}

static int take_model(struct manifest *m, json_t *item, struct err *err)
{
    const char *name, *role, *file, *sha256, *licence, *source, *input, *output;
    json_int_t bytes, memory_mb;
    json_t *weights = NULL, *dictionary = NULL;
    json_error_t je;
    if (json_unpack_ex(item, &je, JSON_STRICT, "{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s?o, s?o}",
                       "name", &name, "role", &role, "file", &file, "sha256", &sha256, "bytes", &bytes,
                       "licence", &licence, "source", &source, "input", &input, "output", &output,
                       "memory_mb", &memory_mb, "weights", &weights, "dictionary", &dictionary))
        return err_fail(err, ERR_FORMAT, "a model of the manifest: %s", je.text);
    size_t at = 0;
    while (at < MODEL_ROLE_COUNT && strcmp(role_names[at], role) != 0)
        at++;
    if (at == MODEL_ROLE_COUNT)
        return err_fail(err, ERR_FORMAT, "model %s: there is no role \"%s\"", name, role);
    struct manifest_model *model = &m->models[at];
    if (model->name != NULL)
        return err_fail(err, ERR_FORMAT, "models %s and %s both claim the role %s", model->name, name, role);
    if (name[0] == '\0' || licence[0] == '\0')
        return err_fail(err, ERR_FORMAT, "the model in the role %s lacks a name or a licence", role);
    if (memory_mb < 0 || memory_mb > 1024 * 1024)
        return err_fail(err, ERR_FORMAT, "model %s: memory_mb is out of range", name);
    model->name = xstrdup(name);
    model->memory_mb = (int)memory_mb;
    int r = take_file(name, file, sha256, bytes, &model->graph, err);
    if (r == 0)
        r = take_part(name, "weights", weights, &model->weights, err);
    if (r == 0)
        r = take_part(name, "dictionary", dictionary, &model->dictionary, err);
    if (r == 0 && model->dictionary.bytes > MANIFEST_MAX_DICTIONARY_BYTES)
        r = err_fail(err, ERR_LIMIT, "model %s: a dictionary may have %d bytes", name,
                     MANIFEST_MAX_DICTIONARY_BYTES);
    return r;
}

static void json_freep(json_t **j)
{
    json_decref(*j);
}

int manifest_read(const char *folder, struct manifest *ret, struct err *err)
{
    CLEANUP(freep) char *path = xasprintf("%s/manifest.json", folder);
    CLEANUP(buf_done) struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
    if (access(path, F_OK) != 0)
        return err_fail(err, ERR_NOTFOUND, "no model manifest at %s", path);
    int r = file_read_all(path, &text, err);
    if (r < 0)
        return r;
    json_error_t je;
    CLEANUP(json_freep) json_t *root = json_loadb(buf_str(&text), text.len, JSON_REJECT_DUPLICATES, &je);
    if (root == NULL)
        return err_fail(err, ERR_FORMAT, "%s, line %d: %s", path, je.line, je.text);
    json_int_t version;
    json_t *models;
    if (json_unpack_ex(root, &je, JSON_STRICT, "{s:I, s:o}", "version", &version, "models", &models))
        return err_fail(err, ERR_FORMAT, "%s: %s", path, je.text);
    if (version != MANIFEST_VERSION)
        return err_fail(err, ERR_UNSUPPORTED, "%s has version %lld, this program reads version %d", path,
                        (long long)version, MANIFEST_VERSION);
    if (!json_is_array(models) || json_array_size(models) > MODEL_ROLE_COUNT)
        return err_fail(err, ERR_FORMAT, "%s: \"models\" is not a list of at most %d", path,
                        MODEL_ROLE_COUNT);
    struct manifest m = {0};
    for (size_t i = 0; r == 0 && i < json_array_size(models); i++)
        r = take_model(&m, json_array_get(models, i), err);
    if (r < 0) {
        manifest_done(&m);
        return err_wrap(err, "%s", path);
    }
    *ret = m;
    return 0;
}

static void digest_freep(EVP_MD_CTX **c)
{
    EVP_MD_CTX_free(*c);
}

int manifest_verify(const char *folder, const struct manifest_file *f, struct err *err)
{
    CLEANUP(freep) char *path = xasprintf("%s/%s", folder, f->name);
    CLEANUP(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? err_fail(err, ERR_NOTFOUND, "model file %s is missing", path)
                               : err_errno(err, "%s", path);
    CLEANUP(digest_freep) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    if (digest == NULL || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1)
        return err_fail(err, ERR_BUG, "libcrypto has no SHA-256");
    size_t chunk = 256 * 1024, n = chunk;
    CLEANUP(freep) unsigned char *bytes = xmalloc(chunk);
    uint64_t total = 0;
    while (n == chunk && total <= f->bytes) {
        int r = fd_read_full(fd, bytes, chunk, &n, err);
        if (r < 0)
            return err_wrap(err, "%s", path);
        total += n;
        EVP_DigestUpdate(digest, bytes, n);
    }
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int sum_bytes = 0;
    EVP_DigestFinal_ex(digest, sum, &sum_bytes);
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    for (unsigned int i = 0; i < sum_bytes; i++)
        snprintf(hex + (size_t)i * 2, 3, "%02x", sum[i]);
    if (total != f->bytes || strcmp(hex, f->sha256) != 0)
        return err_fail(err, ERR_FORMAT, "model file %s is not the one of the manifest (SHA-256 differs)",
                        path);
    return 0;
}
