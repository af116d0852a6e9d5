#include "fixture.h"

#include <assert.h>
#include <dirent.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

static const char letters[] = "l\ni\nn\ne\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n";
static const char tokens[] = "<tbody>\n</tbody>\n<tr>\n</tr>\n<td></td>\n";

static void check(int ok)
{
    if (!ok)
        abort();
}

void fixture_sha256(const char *text, size_t len, char out[65])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned int n;
    check(EVP_Digest(text, len, sum, &n, EVP_sha256(), NULL) == 1 && n == 32);
    for (size_t i = 0; i < 32; i++)
        snprintf(out + i * 2, 3, "%02x", sum[i]);
}

void fixture_write(const char *folder, const char *name, const char *text, size_t len)
{
    CLEANUP(freep) char *path = xasprintf("%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    check(f != NULL && fwrite(text, 1, len, f) == len);
    check(fclose(f) == 0);
}

static void add_model(struct buf *json, const char *folder, const char *name, const char *role,
                      const char *dictionary)
{
    char sum[65];
    CLEANUP(freep) char *file = xasprintf("%s.onnx", name);
    fixture_write(folder, file, name, strlen(name));
    fixture_sha256(name, strlen(name), sum);
    buf_printf(json,
               "%s{\"name\":\"%s\",\"role\":\"%s\",\"file\":\"%s\",\"sha256\":\"%s\",\"bytes\":%zu,"
               "\"licence\":\"none\","
               "\"source\":\"test\",\"input\":\"x\",\"output\":\"y\",\"memory_mb\":1",
               json->data[json->len - 1] == '[' ? "" : ",", name, role, file, sum, strlen(name));
    if (dictionary != NULL) {
        CLEANUP(freep) char *dict_file = xasprintf("%s.txt", name);
        fixture_write(folder, dict_file, dictionary, strlen(dictionary));
        fixture_sha256(dictionary, strlen(dictionary), sum);
        buf_printf(json, ",\"dictionary\":{\"file\":\"%s\",\"sha256\":\"%s\",\"bytes\":%zu}", dict_file, sum,
                   strlen(dictionary));
    }
    buf_puts(json, "}");
}

char *fixture_models(void)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = xasprintf("%s/platen-models-XXXXXX", tmp != NULL ? tmp : "/tmp");
    check(mkdtemp(folder) != NULL);
    CLEANUP(buf_done) struct buf json = BUF_INIT(1 << 20);
    buf_puts(&json, "{\"version\":1,\"models\":[");
    add_model(&json, folder, "tiny_det", "det_tiny", NULL);
    add_model(&json, folder, "small_det", "det_small", NULL);
    add_model(&json, folder, "tiny_rec", "rec_tiny", letters);
    add_model(&json, folder, "small_rec", "rec_small", letters);
    add_model(&json, folder, "textline_cls", "textline_cls", NULL);
    add_model(&json, folder, "orientation", "orientation", NULL);
    add_model(&json, folder, "layout", "layout", NULL);
    add_model(&json, folder, "slanet", "table", tokens);
    buf_puts(&json, "]}");
    fixture_write(folder, "manifest.json", json.data, json.len);
    return folder;
}

void fixture_remove(char *folder)
{
    DIR *d = opendir(folder);
    check(d != NULL);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        CLEANUP(freep) char *path = xasprintf("%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.')
            check(unlink(path) == 0);
    }
    closedir(d);
    check(rmdir(folder) == 0);
    free(folder);
}
